using NixBuildFarm.Store;

namespace NixBuildFarm.Running;

/// <summary>
/// What of a derivation graph has to be done, given what the local store has and what its substituters can give: every
/// derivation is either done, substituted or built, and what nobody needs is left alone.
/// </summary>
internal sealed class RequiredWork
{
    private RequiredWork(IReadOnlyList<int> builds, IReadOnlyList<int> substitutions, IReadOnlyDictionary<int, IReadOnlySet<string>> wanted)
    {
        Builds = builds;
        Substitutions = substitutions;
        Wanted = wanted;
    }

    /// <summary>Indexes in the graph of what must be built, inputs first.</summary>
    public IReadOnlyList<int> Builds { get; }

    /// <summary>Indexes of what a substituter has and a build, or the user, needs.</summary>
    public IReadOnlyList<int> Substitutions { get; }

    /// <summary>The outputs that are needed of each derivation that is needed at all.</summary>
    public IReadOnlyDictionary<int, IReadOnlySet<string>> Wanted { get; }

    /// <summary>Asks the local store, which from then on protects what it has of this from its garbage collector.</summary>
    public static async Task<RequiredWork> FindAsync(
        DerivationGraph graph, IReadOnlyList<RequestedDerivation> requested, BuilderSession local, CancellationToken cancellation)
    {
        var outputs = graph.Nodes.SelectMany(node => node.Derivation.Outputs.Values).Select(output => output.Path).OfType<StorePath>().ToArray();
        var derivations = graph.Nodes.Select(node => node.Path);
        var (valid, missing) = await local.AskAsync(
            async daemon =>
            {
                await daemon.AddTempRootsAsync([.. derivations, .. outputs], cancellation);
                return (
                    await daemon.QueryValidPathsAsync(outputs, substitute: false, cancellation),
                    await daemon.QueryMissingAsync([.. requested.Select(r => r.ToDerivedPath())], cancellation));
            },
            cancellation);
        return Find(graph, requested, valid, missing.WillSubstitute);
    }

    /// <summary>The same, of what is known already.</summary>
    internal static RequiredWork Find(
        DerivationGraph graph, IReadOnlyList<RequestedDerivation> requested, IReadOnlySet<StorePath> valid, IReadOnlySet<StorePath> substitutable)
    {
        var wanted = new Dictionary<int, HashSet<string>>();
        foreach (var request in requested)
        {
            var node = graph.Find(request.Derivation)!;
            Want(wanted, node.Index, request.Outputs.Count > 0 ? request.Outputs : node.Derivation.Outputs.Keys);
        }

        var builds = new List<int>();
        var substitutions = new List<int>();
        // From what is asked for to its inputs: when a node is reached, all that may want its outputs has been seen.
        foreach (var node in graph.Nodes.Reverse())
        {
            if (!wanted.TryGetValue(node.Index, out var names)) continue;
            var paths = names.Select(name => node.Derivation.Outputs[name].Path).ToArray();
            if (paths.All(path => path is not null && valid.Contains(path))) continue;
            if (paths.All(path => path is not null && (valid.Contains(path) || substitutable.Contains(path))))
            {
                substitutions.Add(node.Index);
                continue;
            }
            builds.Add(node.Index);
            foreach (var input in node.Inputs) Want(wanted, input.Index, input.Outputs);
        }
        builds.Reverse();
        return new(builds, substitutions, wanted.ToDictionary(w => w.Key, w => (IReadOnlySet<string>)w.Value));
    }

    private static void Want(Dictionary<int, HashSet<string>> wanted, int node, IEnumerable<string> outputs)
    {
        if (!wanted.TryGetValue(node, out var names)) wanted.Add(node, names = []);
        names.UnionWith(outputs);
    }
}
