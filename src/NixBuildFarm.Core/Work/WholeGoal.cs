using NixBuildFarm.Protocol;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Work;

/// <summary>
/// A derivation that goes to a builder as a whole, since its own paths or those of inputs are known only after the build: with those
/// inputs, direct or not, that are built along with it for this reason.
/// </summary>
internal sealed class WholeGoal
{
    private readonly DerivationGraph graph;
    private readonly DerivationHashes hashes;
    private readonly DerivationNode node;

    public WholeGoal(DerivationGraph graph, DerivationHashes hashes, DerivationNode node)
    {
        this.graph = graph;
        this.hashes = hashes;
        this.node = node;
        Members = FindMembers();
    }

    /// <summary>
    /// The derivations whose outputs have no paths before the build, each after those that it needs; the goal itself is the last if it is
    /// one.
    /// </summary>
    public IReadOnlyList<DerivationNode> Members { get; }

    /// <summary>Whether a path follows from where other members are, rather than from its own content.</summary>
    public bool HasDeferredOutputs =>
        Members.Any(member => member.Derivation.Outputs.Values.Any(output => output.Kind == DerivationOutputKind.Deferred));

    /// <summary>
    /// The realisations to register in the local store. Impure outputs have none, and outputs whose path is known beforehand need none.
    /// </summary>
    public IReadOnlyList<Realisation> RealisationsOf(IReadOnlyDictionary<string, StorePath> outputs) =>
        node.Derivation.IsImpure || node.Derivation.AreOutputPathsKnown
            ? []
            : [.. outputs.Select(output => new Realisation(hashes.RealisationId(node, output.Key), output.Value))];

    /// <summary>
    /// The paths of the members' outputs: those of content-addressed ones as the builder says, those of input-addressed ones as computed.
    /// An output is left out if the path of an input is not known.
    /// </summary>
    /// <param name="outputs">Where the builder says that the goal's own outputs are, by name.</param>
    /// <param name="others">The same for the other members, as far as it says.</param>
    public IReadOnlyDictionary<StorePath, GoalOutput> Locate(
        IReadOnlyDictionary<string, StorePath> outputs, IReadOnlyDictionary<StorePath, IReadOnlyDictionary<string, StorePath?>> others)
    {
        var paths = new Dictionary<(StorePath Derivation, string Output), StorePath>();
        var located = new Dictionary<StorePath, GoalOutput>();
        foreach (var member in Members)
        {
            var said = member == node
                ? outputs.GetValueOrDefault
                : others.TryGetValue(member.Path, out var some)
                ? some.GetValueOrDefault
                : (Func<string, StorePath?>)(static _ => null);
            var computed = IsDeferred(member) ? Compute(member) : null;
            foreach (var (name, output) in member.Derivation.Outputs)
            {
                var path = output.Path ?? (output.Kind == DerivationOutputKind.Deferred ? computed?.GetValueOrDefault(name) : said(name));
                if (path is null) continue;
                paths[(member.Path, name)] = path;
                located[path] = new(member, name);
            }
        }
        return located;

        IReadOnlyDictionary<string, StorePath>? Compute(DerivationNode member)
        {
            var inputs = new List<(StorePath, string, StorePath)>();
            foreach (var input in member.Inputs)
            {
                var other = graph.Nodes[input.Index];
                foreach (var name in input.Outputs)
                {
                    if ((other.Derivation.Outputs[name].Path ?? paths.GetValueOrDefault((other.Path, name))) is not { } path) return null;
                    inputs.Add((other.Path, name, path));
                }
            }
            return DeferredOutputs.PathsOf(member, inputs);
        }
    }

    private static bool IsDeferred(DerivationNode member) =>
        member.Derivation.Outputs.Values.Any(output => output.Kind == DerivationOutputKind.Deferred);

    private List<DerivationNode> FindMembers()
    {
        var members = new HashSet<int>();
        var open = new Stack<DerivationNode>([node]);
        while (open.TryPop(out var next))
        {
            if (!next.Derivation.AreOutputPathsKnown && !members.Add(next.Index)) continue;
            foreach (var input in next.Inputs.Where(input => !graph.Nodes[input.Index].Derivation.AreOutputPathsKnown))
            {
                open.Push(graph.Nodes[input.Index]);
            }
        }
        return [.. members.Order().Select(index => graph.Nodes[index])];
    }
}

/// <summary>An output of a derivation.</summary>
/// <param name="Node">The derivation.</param>
/// <param name="Name">The output's name.</param>
internal sealed record GoalOutput(DerivationNode Node, string Name);
