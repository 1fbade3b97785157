using NixBuildFarm.Errors;

namespace NixBuildFarm.Store.Derivations;

/// <summary>
/// Derivations and what they need, read bit by bit: nobody has to read what is below a derivation whose outputs are there. Of most only the
/// outline is kept.
/// </summary>
/// <param name="source">Where they are read from.</param>
internal sealed class DerivationClosure(IDerivationSource source)
{
    private const int ParallelReads = 16;

    private readonly Dictionary<StorePath, Derivation> read = [];
    private readonly Dictionary<StorePath, StorePath> neededBy = [];

    // Where the path of an output follows from the build, it is looked up by all that the derivation needs, to the last byte.
    private bool isWhole;

    /// <summary>The derivation; null: it has not been read.</summary>
    public Derivation? Find(StorePath path) => read.GetValueOrDefault(path);

    /// <summary>
    /// Reads derivations, what they need, what these need and so on, until there is nothing left or enough has been read; in any case all
    /// that are named. Everything is read where the path of an output is known only after its build.
    /// </summary>
    /// <param name="paths">Derivations that have not been read, each once.</param>
    /// <param name="enough">How many are enough.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <returns>Those that have been read.</returns>
    /// <exception cref="NixBuildFarmException">One cannot be read; the message names the file.</exception>
    public async Task<IReadOnlyCollection<StorePath>> ReadAsync(
        IReadOnlyList<StorePath> paths, int enough, CancellationToken cancellation)
    {
        var all = new List<StorePath>();
        for (var wave = paths; wave.Count > 0 && (all.Count < enough || isWhole);)
        {
            await ReadAsync(wave, cancellation);
            all.AddRange(wave);
            if (!isWhole && wave.Any(path => read[path].IsResolvedLater))
            {
                isWhole = true;
                await ReadAsync([.. read.Where(one => one.Value.IsOutline).Select(one => one.Key)], cancellation);
                wave = UnreadInputsOf(read.Keys);
            }
            else
            {
                wave = UnreadInputsOf(wave);
            }
        }
        return all;
    }

    /// <summary>The graph of what has been read.</summary>
    /// <param name="roots">The derivations that were asked for.</param>
    /// <exception cref="NixBuildFarmException">A derivation needs an output that is not there, or needs itself.</exception>
    public DerivationGraph ToGraph(IEnumerable<StorePath> roots) => DerivationGraph.Order(read, roots, source);

    private List<StorePath> UnreadInputsOf(IEnumerable<StorePath> paths)
    {
        var unread = new HashSet<StorePath>();
        var inOrder = new List<StorePath>();
        foreach (var path in paths)
        {
            foreach (var input in read[path].InputDerivations.Keys)
            {
                if (read.ContainsKey(input) || !unread.Add(input)) continue;
                neededBy.TryAdd(input, path);
                inOrder.Add(input);
            }
        }
        return inOrder;
    }

    private async Task ReadAsync(IReadOnlyList<StorePath> paths, CancellationToken cancellation)
    {
        var derivations = new Derivation[paths.Count];
        await Parallel.ForEachAsync(
            Enumerable.Range(0, paths.Count),
            new ParallelOptions { MaxDegreeOfParallelism = ParallelReads, CancellationToken = cancellation },
            async (i, token) => derivations[i] = await ReadAsync(paths[i], token));
        for (var i = 0; i < derivations.Length; i++) read[paths[i]] = derivations[i];
    }

    private async Task<Derivation> ReadAsync(StorePath path, CancellationToken cancellation)
    {
        try
        {
            return await (isWhole ? source.ReadAsync(path, cancellation) : source.ReadOutlineAsync(path, cancellation));
        }
        catch (NixBuildFarmException cause) when (neededBy.TryGetValue(path, out var needing))
        {
            throw new NixBuildFarmException(cause.Id, $"{cause.Message} “{needing}” needs it.", cause.Recommendation, cause);
        }
    }
}
