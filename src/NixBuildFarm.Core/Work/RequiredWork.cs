using NixBuildFarm.Evaluation;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Work;

/// <summary>
/// The part of a derivation graph that has to be done, given the valid paths of the local store and its substituters: every needed
/// derivation is done, substituted or built, and unneeded ones are left out.
/// </summary>
internal sealed class RequiredWork
{
    private RequiredWork(
        IReadOnlyList<int> builds,
        IReadOnlyList<int> substitutions,
        IReadOnlyDictionary<int, IReadOnlySet<string>> wanted,
        IReadOnlyDictionary<StorePath, IReadOnlyDictionary<string, StorePath>> realised)
    {
        Builds = builds;
        Substitutions = substitutions;
        Wanted = wanted;
        Realised = realised;
    }

    /// <summary>Indexes in the graph of the derivations to build, inputs first.</summary>
    public IReadOnlyList<int> Builds { get; }

    /// <summary>Indexes of the outputs to substitute.</summary>
    public IReadOnlyList<int> Substitutions { get; }

    /// <summary>The outputs that are needed of each derivation that is needed at all.</summary>
    public IReadOnlyDictionary<int, IReadOnlySet<string>> Wanted { get; }

    /// <summary>
    /// Where the local store has outputs whose paths are known only after the build, by derivation.
    /// </summary>
    public IReadOnlyDictionary<StorePath, IReadOnlyDictionary<string, StorePath>> Realised { get; }

    /// <summary>Finds it.</summary>
    /// <param name="graph">The derivations. Of those whose outputs are there or can be fetched, not all inputs need be part of it.</param>
    /// <param name="requested">What was asked for.</param>
    /// <param name="valid">Outputs that the local store has.</param>
    /// <param name="substitutable">Outputs that it can fetch.</param>
    /// <param name="realised">See <see cref="Realised"/>.</param>
    public static RequiredWork Find(
        DerivationGraph graph,
        IReadOnlyList<RequestedDerivation> requested,
        IReadOnlySet<StorePath> valid,
        IReadOnlySet<StorePath> substitutable,
        IReadOnlyDictionary<StorePath, IReadOnlyDictionary<string, StorePath>>? realised = null)
    {
        realised ??= new Dictionary<StorePath, IReadOnlyDictionary<string, StorePath>>();
        var wanted = new Dictionary<int, HashSet<string>>();
        foreach (var request in requested)
        {
            var node = graph.Find(request.Derivation)!;
            Want(wanted, node.Index, request.Outputs.Count > 0 ? request.Outputs : node.Derivation.Outputs.Keys);
        }

        var builds = new List<int>();
        var substitutions = new List<int>();
        // From the requested derivations to their inputs: when a node is reached, all nodes that may need its outputs have been visited.
        foreach (var node in graph.Nodes.Reverse())
        {
            if (!wanted.TryGetValue(node.Index, out var names)) continue;
            var known = realised.GetValueOrDefault(node.Path);
            var paths = names.Select(name => node.Derivation.Outputs[name].Path ?? known?.GetValueOrDefault(name)).ToArray();
            if (paths.All(path => path is not null && valid.Contains(path))) continue;
            if (paths.All(path => path is not null && (valid.Contains(path) || substitutable.Contains(path))))
            {
                substitutions.Add(node.Index);
                continue;
            }
            builds.Add(node.Index);
            foreach (var input in node.Inputs) Want(wanted, input.Index, input.Needed);
        }
        builds.Reverse();
        return new(builds, substitutions, wanted.ToDictionary(w => w.Key, w => (IReadOnlySet<string>)w.Value), realised);
    }

    private static void Want(Dictionary<int, HashSet<string>> wanted, int node, IEnumerable<string> outputs)
    {
        if (!wanted.TryGetValue(node, out var names)) wanted.Add(node, names = []);
        names.UnionWith(outputs);
    }
}
