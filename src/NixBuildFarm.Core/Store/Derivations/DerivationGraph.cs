using NixBuildFarm.Errors;
using NixBuildFarm.Text;

namespace NixBuildFarm.Store.Derivations;

/// <summary>
/// All that some derivations need to be built, in an order in which it could be: inputs first. The same roots give the same order.
/// </summary>
internal sealed class DerivationGraph
{
    private const int ParallelReads = 16;

    private readonly IReadOnlyDictionary<StorePath, int> indexes;

    private DerivationGraph(IReadOnlyList<DerivationNode> nodes, IReadOnlyDictionary<StorePath, int> indexes, IReadOnlyList<int> roots)
    {
        Nodes = nodes;
        this.indexes = indexes;
        Roots = roots;
    }

    /// <summary>The derivations, each after all that it needs.</summary>
    public IReadOnlyList<DerivationNode> Nodes { get; }

    /// <summary>The indexes of the derivations that were asked for, in the order in which they were, each once.</summary>
    public IReadOnlyList<int> Roots { get; }

    /// <summary>The derivation at a path; null where it is not part of the graph.</summary>
    public DerivationNode? Find(StorePath path) => indexes.TryGetValue(path, out var index) ? Nodes[index] : null;

    /// <summary>Reads the roots and all that they need.</summary>
    /// <exception cref="NixBuildFarmException">
    /// One cannot be read, needs an output that is not there, or needs itself; the message names the file.
    /// </exception>
    public static async Task<DerivationGraph> LoadAsync(
        IDerivationSource source, IEnumerable<StorePath> roots, CancellationToken cancellation)
    {
        StorePath[] distinct = [.. roots.Distinct()];
        if (Array.Find(distinct, root => !root.IsDerivation) is { } other)
        {
            throw new NixBuildFarmException(
                "NotADerivation", $"“{other}” is not a derivation: its name does not end in .drv.", "Give the .drv that makes it.");
        }
        return Order(await ReadClosureAsync(source, distinct, cancellation), distinct);
    }

    private static async Task<Dictionary<StorePath, Derivation>> ReadClosureAsync(
        IDerivationSource source, IReadOnlyList<StorePath> roots, CancellationToken cancellation)
    {
        var closure = new Dictionary<StorePath, Derivation>();
        var neededBy = new Dictionary<StorePath, StorePath>();
        var wave = roots;
        while (wave.Count > 0)
        {
            var read = new Derivation[wave.Count];
            await Parallel.ForEachAsync(
                Enumerable.Range(0, wave.Count),
                new ParallelOptions { MaxDegreeOfParallelism = ParallelReads, CancellationToken = cancellation },
                async (i, token) => read[i] = await ReadAsync(source, wave[i], neededBy.GetValueOrDefault(wave[i]), token));

            for (var i = 0; i < read.Length; i++) closure.Add(wave[i], read[i]);
            var next = new List<StorePath>();
            for (var i = 0; i < read.Length; i++)
            {
                foreach (var input in read[i].InputDerivations.Keys)
                {
                    if (!closure.ContainsKey(input) && neededBy.TryAdd(input, wave[i])) next.Add(input);
                }
            }
            wave = next;
        }
        return closure;
    }

    private static async Task<Derivation> ReadAsync(
        IDerivationSource source, StorePath path, StorePath? neededBy, CancellationToken cancellation)
    {
        try
        {
            return await source.ReadAsync(path, cancellation);
        }
        catch (NixBuildFarmException cause) when (neededBy is not null)
        {
            throw new NixBuildFarmException(cause.Id, $"{cause.Message} “{neededBy}” needs it.", cause.Recommendation, cause);
        }
    }

    /// <summary>
    /// Walks depth first, in the order of the paths, with a stack of its own: chains are longer than threads have room for.
    /// </summary>
    private static DerivationGraph Order(Dictionary<StorePath, Derivation> closure, IReadOnlyList<StorePath> roots)
    {
        var nodes = new List<DerivationNode>(closure.Count);
        var placed = new Dictionary<StorePath, int>(closure.Count);
        var open = new HashSet<StorePath>();
        var walk = new Stack<(StorePath Path, IEnumerator<StorePath> Inputs)>();
        foreach (var root in roots)
        {
            Enter(root);
            while (walk.TryPeek(out var current))
            {
                if (current.Inputs.MoveNext()) Enter(current.Inputs.Current);
                else Leave(walk.Pop().Path);
            }
        }
        return new DerivationGraph(nodes, placed, [.. roots.Select(root => placed[root])]);

        void Enter(StorePath path)
        {
            if (placed.ContainsKey(path)) return;
            if (!open.Add(path)) throw Cycle(path, walk.Select(step => step.Path));
            walk.Push((path, closure[path].InputDerivations.Keys.Order().GetEnumerator()));
        }

        void Leave(StorePath path)
        {
            var derivation = closure[path];
            var inputs = derivation.InputDerivations.OrderBy(input => input.Key)
                .Select(input => new DerivationInput(
                    placed[input.Key], input.Value, derivation.DynamicInputs.GetValueOrDefault(input.Key, DynamicInput.None)))
                .ToArray();
            var node = new DerivationNode(nodes.Count, path, derivation, inputs);
            foreach (var input in inputs) RequireOutputs(node, nodes[input.Index], input.Needed);
            placed.Add(path, node.Index);
            nodes.Add(node);
        }
    }

    private static void RequireOutputs(DerivationNode node, DerivationNode input, IEnumerable<string> outputs)
    {
        var missing = outputs.FirstOrDefault(output => !input.Derivation.Outputs.ContainsKey(output));
        if (missing is null) return;
        throw new NixBuildFarmException(
            "UnknownOutput",
            $"“{node.Path}” needs the output “{Printable.Replaced(missing)}” of “{input.Path}”, which has only: " +
            $"{string.Join(", ", input.Derivation.Outputs.Keys.Select(Printable.Replaced))}.",
            "Make both derivations again with nix-instantiate or nix eval.");
    }

    private static NixBuildFarmException Cycle(StorePath path, IEnumerable<StorePath> walkedLastFirst)
    {
        var cycle = walkedLastFirst.TakeWhile(step => step != path).Append(path).Reverse().Append(path);
        return new(
            "DerivationCycle",
            $"Derivations need each other in a circle, which Nix never writes: {string.Join(" → ", cycle.Select(step => step.BaseName))}.",
            "See whether the store is damaged: nix-store --verify --check-contents");
    }
}
