using NixBuildFarm.Builders;
using NixBuildFarm.Deciding;
using NixBuildFarm.Errors;
using NixBuildFarm.Evaluation;
using NixBuildFarm.History;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Sessions;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;
using NixBuildFarm.Supplying;
using NixBuildFarm.Work;

namespace NixBuildFarm.Running;

/// <summary>The work of a run as jobs, in the order of the scheduler's job graph.</summary>
internal sealed class RunJobs
{
    private readonly DerivationGraph graph;
    private readonly DerivationHashes hashes;
    private readonly RequiredWork work;
    private readonly HashSet<StorePath> requested;
    private readonly Dictionary<int, int> indexOf;

    private RunJobs(DerivationGraph graph, RequiredWork work, HashSet<StorePath> requested)
    {
        this.graph = graph;
        hashes = new(graph);
        this.work = work;
        this.requested = requested;
        int[] nodes = [.. work.Substitutions, .. work.Builds];
        indexOf = nodes.Select((node, index) => (node, index)).ToDictionary(pair => pair.node, pair => pair.index);
        Jobs = [.. nodes.Select((node, index) => Make(index, graph.Nodes[node]))];
        Graph = new([.. Jobs.Select(job => job.ToSchedulerJob(job.IsSubstitution ? [] : DependenciesOf(job.Node)))]);
        LocalInputs = [.. work.Builds.Select(node => graph.Nodes[node])
            .SelectMany(
                node =>
                    node.Inputs
                        .Where(input => !indexOf.ContainsKey(input.Index))
                        .SelectMany(UsedBy)
                        .Select(used => KnownPathOf(used)!)
                        .Concat(node.Derivation.InputSources))
            .Distinct()];
    }

    /// <summary>The jobs, by index.</summary>
    public IReadOnlyList<RunJob> Jobs { get; }

    /// <summary>The same for the scheduler.</summary>
    public JobGraph Graph { get; private set; }

    /// <summary>Inputs of the builds that no job makes: they are valid in the local store.</summary>
    public IReadOnlyCollection<StorePath> LocalInputs { get; }

    /// <summary>Reads the derivations, and asks the local store what of them has to be done.</summary>
    /// <exception cref="NixBuildFarmException">Derivations cannot be read, or the local store cannot be asked.</exception>
    public static async Task<RunJobs> FindAsync(
        IReadOnlyList<RequestedDerivation> requested, IDerivationSource derivations, Task<BuilderSession> localOpening,
        CancellationToken cancellation)
    {
        var loading = DerivationGraph.LoadAsync(derivations, requested.Select(r => r.Derivation), cancellation);
        var local = await localOpening;
        var all = await loading;
        foreach (var request in requested) CheckOutputs(all.Find(request.Derivation)!, request.Outputs);
        return From(all, await RequiredWork.FindAsync(all, requested, local, cancellation), requested);
    }

    private static void CheckOutputs(DerivationNode node, IReadOnlyList<string> wanted)
    {
        if (wanted.FirstOrDefault(name => !node.Derivation.Outputs.ContainsKey(name)) is not { } missing) return;
        throw new NixBuildFarmException(
            "OutputNotFound", $"{node.Name} has no output “{missing}”: {node.Path}",
            $"Its outputs are {string.Join(", ", node.Derivation.Outputs.Keys)}.");
    }

    /// <summary>Tells the scheduler how large the inputs are that no job makes; the catalog knows them by now.</summary>
    public void Weigh(PathCatalog catalog)
    {
        var bytes = catalog.OwnBytes([.. Jobs.Select(job => job.Inputs)]);
        Graph = new([.. Jobs.Select(job => Graph[job.Index] with { ExternalInputBytes = bytes[job.Index] })]);
    }

    /// <summary>Makes jobs of what has to be done.</summary>
    public static RunJobs From(DerivationGraph graph, RequiredWork work, IEnumerable<RequestedDerivation> requested) =>
        new(graph, work, [.. requested.Select(r => r.Derivation)]);

    /// <summary>Results of what was asked for and is there already.</summary>
    public IEnumerable<NixBuildResult> AlreadyValid(string runId)
    {
        var todo = work.Builds.Concat(work.Substitutions).ToHashSet();
        return from path in requested
               let node = graph.Find(path)!
               where !todo.Contains(node.Index)
               select new NixBuildResult
               {
                   Name = node.Name,
                   DerivationPath = path.ToString(),
                   System = node.Derivation.System,
                   Status = NixBuildStatus.AlreadyValid,
                   Builder = NixBuilder.LocalName,
                   Outputs = work.Wanted[node.Index].ToDictionary(
                       name => name, name => KnownPathOf((node, name))!.ToString()),
                   IsRequested = true,
                   RunId = runId,
               };
    }

    private RunJob Make(int index, DerivationNode node)
    {
        var isSubstitution = index < work.Substitutions.Count;
        var used = node.Inputs.SelectMany(UsedBy).ToArray();
        return new()
        {
            Index = index,
            Node = node,
            IsSubstitution = isSubstitution,
            IsRequested = requested.Contains(node.Path),
            Unresolved = isSubstitution ? null : UnresolvedOf(node, used),
            Inputs = [.. node.Derivation.InputSources.Concat(used.Select(KnownPathOf).OfType<StorePath>()).Distinct()],
            Wanted = [.. work.Wanted[node.Index].Select(name => KnownPathOf((node, name))).OfType<StorePath>()],
            Realised = isSubstitution && work.Realised.TryGetValue(node.Path, out var realised)
                ? realised
                : new Dictionary<string, StorePath>(),
        };
    }

    private int[] DependenciesOf(DerivationNode node) =>
        [.. node.Inputs.Select(input => input.Index).Distinct().Where(indexOf.ContainsKey).Select(input => indexOf[input])];

    private UnresolvedDerivation? UnresolvedOf(DerivationNode node, IReadOnlyCollection<(DerivationNode Node, string Output)> used)
    {
        if (node.Derivation.AreOutputPathsKnown && used.All(input => PathOf(input) is not null)) return null;
        var (known, awaited) = (new List<RealisedInput>(), new List<UsedOutput>());
        foreach (var input in used)
        {
            var output = new UsedOutput(input.Node.Path, input.Output);
            if (PathOf(input) is { } path) known.Add(new(path));
            else if (KnownPathOf(input) is { } realised) known.Add(new(realised, output.Placeholder));
            else awaited.Add(output);
        }
        return new(node, hashes, known, awaited);
    }

    private IEnumerable<(DerivationNode Node, string Output)> UsedBy(DerivationInput input) =>
        input.Outputs.Select(name => (graph.Nodes[input.Index], name));

    private static StorePath? PathOf((DerivationNode Node, string Output) output) => output.Node.Derivation.Outputs[output.Output].Path;

    /// <summary>The path of an output; null: a build of this run tells it.</summary>
    private StorePath? KnownPathOf((DerivationNode Node, string Output) output) =>
        PathOf(output) ?? (IsBuilt(output.Node) ? null : RealisedPathOf(output));

    private StorePath? RealisedPathOf((DerivationNode Node, string Output) output) =>
        work.Realised.GetValueOrDefault(output.Node.Path)?.GetValueOrDefault(output.Output);

    private bool IsBuilt(DerivationNode node) => indexOf.TryGetValue(node.Index, out var index) && index >= work.Substitutions.Count;
}
