using NixBuildFarm.Errors;
using NixBuildFarm.Evaluation;
using NixBuildFarm.Protocol;
using NixBuildFarm.Sessions;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Work;

/// <summary>
/// Finds what has to be done: reads derivations, from those that were asked for downwards, and meanwhile asks the local store, a part at a
/// time, which outputs it has or can fetch. What only those need is not asked about, and hardly any of it is read.
/// </summary>
internal sealed class WorkSearch
{
    // Small graphs are over after one part. In large ones, more is read in vain the larger a part is, and the smaller, the more often the
    // graph is walked.
    private const int FirstPart = 512, LargestPart = 8192;

    // A setting of Nix.
    private const string AlwaysAllow = "always-allow-substitutes";

    private static readonly IReadOnlySet<StorePath> None = new HashSet<StorePath>();

    private readonly DerivationClosure closure;
    private readonly IReadOnlyList<RequestedDerivation> requested;
    private readonly Task<BuilderSession> localOpening;
    private readonly HashSet<StorePath> asked = [];
    private readonly HashSet<StorePath> valid = [];
    private readonly HashSet<StorePath> substitutable = [];
    private readonly Dictionary<StorePath, IReadOnlyDictionary<string, StorePath>> realised = [];
    private bool alwaysAllows;

    private WorkSearch(IDerivationSource source, IReadOnlyList<RequestedDerivation> requested, Task<BuilderSession> localOpening)
    {
        closure = new(source);
        (this.requested, this.localOpening) = (requested, localOpening);
    }

    /// <summary>
    /// Searches. The local store protects the paths that it is asked about, and the derivations, from its garbage collector from then on.
    /// </summary>
    /// <param name="source">Where derivations are read from.</param>
    /// <param name="requested">What was asked for.</param>
    /// <param name="localOpening">The local store, which may still be connecting.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="NixBuildFarmException">Derivations cannot be read, or the local store cannot be asked.</exception>
    public static async Task<(DerivationGraph Graph, RequiredWork Work)> FindAsync(
        IDerivationSource source, IReadOnlyList<RequestedDerivation> requested, Task<BuilderSession> localOpening,
        CancellationToken cancellation)
    {
        StorePath[] roots = [.. requested.Select(request => request.Derivation).Distinct()];
        DerivationGraph.CheckRoots(roots);
        var search = new WorkSearch(source, requested, localOpening);
        await search.RunAsync(roots, cancellation);
        var graph = search.closure.ToGraph(roots);
        foreach (var request in requested) CheckOutputs(graph.Find(request.Derivation)!, request.Outputs);
        return (graph, RequiredWork.Find(graph, requested, search.valid, search.substitutable, search.realised));
    }

    private static void CheckOutputs(DerivationNode node, IReadOnlyList<string> wanted)
    {
        if (wanted.FirstOrDefault(name => !node.Derivation.Outputs.ContainsKey(name)) is not { } missing) return;
        throw new NixBuildFarmException(
            "OutputNotFound", $"{node.Name} has no output “{missing}”: {node.Path}",
            $"Its outputs are {string.Join(", ", node.Derivation.Outputs.Keys)}.");
    }

    private async Task RunAsync(StorePath[] roots, CancellationToken cancellation)
    {
        // What needs others keeps them.
        var asking = AskAsync(new([.. roots], [], [], []), cancellation);
        try
        {
            IReadOnlyList<StorePath> unread = roots;
            for (var part = FirstPart; ; part = Math.Min(2 * part, LargestPart))
            {
                await closure.ReadAsync(unread, part, cancellation);
                await asking;
                unread = Look(out var questions);
                if (unread.Count == 0 && questions.IsEmpty) return;
                asking = AskAsync(questions, cancellation);
            }
        }
        finally
        {
            await asking.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>
    /// Walks through what is needed as far as it is known; what has not been answered counts as missing.
    /// </summary>
    /// <param name="questions">Receives what the local store has not been asked of it.</param>
    /// <returns>The derivations of it that have not been read.</returns>
    private List<StorePath> Look(out Questions questions)
    {
        var asks = new Questions([], [], [], []);
        var unread = new List<StorePath>();
        var wanted = new Dictionary<StorePath, HashSet<string>>();
        var open = new Stack<StorePath>();
        foreach (var (derivation, outputs) in requested.Select(request => (request.Derivation, request.Outputs)))
        {
            Want(derivation, outputs.Count > 0 || closure.Find(derivation) is not { } known ? outputs : known.Outputs.Keys);
        }
        while (open.TryPop(out var path))
        {
            if (closure.Find(path) is not { } derivation) unread.Add(path);
            else if (!IsAvailable(path, derivation, wanted[path])) WantInputsOf(derivation);
        }
        questions = asks;
        return unread;

        void Want(StorePath path, IEnumerable<string> outputs)
        {
            if (!wanted.TryGetValue(path, out var names)) wanted.Add(path, names = []);
            else if (closure.Find(path) is null) return;
            var before = names.Count;
            names.UnionWith(outputs);
            if (names.Count > before || before == 0) open.Push(path);
        }

        void WantInputsOf(Derivation derivation)
        {
            foreach (var (input, outputs) in derivation.InputDerivations)
            {
                Want(input, DynamicInput.NeededOf(outputs, derivation.DynamicInputs.GetValueOrDefault(input, DynamicInput.None)));
            }
        }

        bool IsAvailable(StorePath path, Derivation derivation, HashSet<string> names)
        {
            if (!derivation.AreOutputPathsKnown && !derivation.IsImpure && asked.Add(path)) asks.Derivations.Add(path);
            var isAvailable = true;
            foreach (var name in names)
            {
                // A name that it does not have is an error, which is found when the graph is made.
                if (!derivation.Outputs.TryGetValue(name, out var output)) continue;
                if ((output.Path ?? realised.GetValueOrDefault(path)?.GetValueOrDefault(name)) is not { } known)
                {
                    isAvailable = false;
                    continue;
                }
                isAvailable &= valid.Contains(known) || substitutable.Contains(known);
                if (!asked.Add(known)) continue;
                asks.Outputs.Add(known);
                if (alwaysAllows || derivation.AllowSubstitutes) asks.Substitutes.Add(known);
                asks.Roots.AddRange(derivation.Outputs.Values.Select(one => one.Path).OfType<StorePath>().Append(known).Distinct());
            }
            return isAvailable;
        }
    }

    private async Task AskAsync(Questions questions, CancellationToken cancellation)
    {
        var local = await localOpening;
        alwaysAllows = local.Options.Overrides.GetValueOrDefault(AlwaysAllow) == "true";
        var (found, maps, fetchable) = await local.AskAsync(
            async (daemon, token) =>
            {
                var maps = await daemon.QueryDerivationOutputMapsAsync(questions.Derivations, token);
                await daemon.AddTempRootsAsync(questions.Roots, token);
                var found = questions.Outputs.Count > 0
                    ? await daemon.QueryValidPathsAsync(questions.Outputs, substitute: false, token)
                    : None;
                // A substituter is asked about paths, not about derivations: of these, the daemon would read all once more.
                DerivedPath[] missing = [.. questions.Substitutes.Where(path => !found.Contains(path)).Select(DerivedPath.Opaque)];
                return (found, maps, missing.Length > 0 ? (await daemon.QueryMissingAsync(missing, token)).WillSubstitute : None);
            },
            cancellation);
        valid.UnionWith(found);
        substitutable.UnionWith(fetchable);
        foreach (var (derivation, outputs) in maps)
        {
            realised.Add(derivation, outputs.Where(output => output.Value is not null).ToDictionary(one => one.Key, one => one.Value!));
        }
    }

    /// <summary>What the local store is asked.</summary>
    /// <param name="Roots">What it is to keep.</param>
    /// <param name="Derivations">Whose outputs it may know by earlier builds.</param>
    /// <param name="Outputs">Which of them it has.</param>
    /// <param name="Substitutes">Those of them that it may fetch.</param>
    private sealed record Questions(
        List<StorePath> Roots, List<StorePath> Derivations, List<StorePath> Outputs, List<StorePath> Substitutes)
    {
        public bool IsEmpty => Derivations.Count == 0 && Outputs.Count == 0;
    }
}
