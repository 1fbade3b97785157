using NixBuildFarm.Errors;
using NixBuildFarm.Text;

namespace NixBuildFarm.Store.Derivations;

/// <summary>
/// All that some derivations need to be built, in an order in which it could be: inputs first. The same roots give the same order.
/// </summary>
internal sealed class DerivationGraph
{
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
        CheckRoots(distinct);
        var closure = new DerivationClosure(source);
        await closure.ReadAsync(distinct, enough: int.MaxValue, cancellation);
        return closure.ToGraph(distinct);
    }

    /// <summary>Checks what was asked for.</summary>
    /// <exception cref="NixBuildFarmException">One is no derivation.</exception>
    internal static void CheckRoots(IEnumerable<StorePath> roots)
    {
        if (roots.FirstOrDefault(root => !root.IsDerivation) is not { } other) return;
        throw new NixBuildFarmException(
            "NotADerivation", $"“{other}” is not a derivation: its name does not end in .drv.", "Give the .drv that makes it.");
    }

    /// <summary>
    /// Walks depth first, in the order of the paths, with a stack of its own: chains are longer than threads have room for.
    /// </summary>
    /// <param name="closure">The derivations. One of which not all inputs are there is taken for one that has none.</param>
    /// <param name="roots">Those that were asked for.</param>
    /// <param name="source">Where they come from.</param>
    /// <exception cref="NixBuildFarmException">One needs an output that is not there, or needs itself.</exception>
    internal static DerivationGraph Order(
        IReadOnlyDictionary<StorePath, Derivation> closure, IEnumerable<StorePath> roots, IDerivationSource source)
    {
        var nodes = new List<DerivationNode>(closure.Count);
        var placed = new Dictionary<StorePath, int>(closure.Count);
        var open = new HashSet<StorePath>();
        var walk = new Stack<(StorePath Path, IEnumerator<StorePath> Inputs)>();
        StorePath[] asked = [.. roots.Distinct()];
        foreach (var root in asked)
        {
            Enter(root);
            while (walk.TryPeek(out var current))
            {
                if (current.Inputs.MoveNext()) Enter(current.Inputs.Current);
                else Leave(walk.Pop().Path);
            }
        }
        return new DerivationGraph(nodes, placed, [.. asked.Select(root => placed[root])]);

        void Enter(StorePath path)
        {
            if (placed.ContainsKey(path)) return;
            if (!open.Add(path)) throw Cycle(path, walk.Select(step => step.Path));
            walk.Push((path, InputsOf(closure[path]).GetEnumerator()));
        }

        void Leave(StorePath path)
        {
            var derivation = closure[path];
            var inputs = InputsOf(derivation)
                .Select(input => new DerivationInput(
                    placed[input], derivation.InputDerivations[input],
                    derivation.DynamicInputs.GetValueOrDefault(input, DynamicInput.None)))
                .ToArray();
            var node = new DerivationNode(nodes.Count, path, derivation, inputs, source);
            foreach (var input in inputs) RequireOutputs(node, nodes[input.Index], input.Needed);
            placed.Add(path, node.Index);
            nodes.Add(node);
        }

        // In the order of their paths, as Nix writes them.
        IEnumerable<StorePath> InputsOf(Derivation derivation) =>
            derivation.InputDerivations.Keys.All(closure.ContainsKey) ? derivation.InputDerivations.Keys.Order() : [];
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
