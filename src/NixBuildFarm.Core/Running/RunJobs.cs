using NixBuildFarm.Builders;
using NixBuildFarm.Deciding;
using NixBuildFarm.Errors;
using NixBuildFarm.Evaluation;
using NixBuildFarm.History;
using NixBuildFarm.Observing;
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
    private readonly Dictionary<StorePath, int> indexOfExpansion;

    private RunJobs(DerivationGraph graph, RequiredWork work, HashSet<StorePath> requested, Expansion? expanded = null)
    {
        this.graph = graph;
        hashes = new(graph);
        this.work = work;
        this.requested = requested;
        int[] nodes = [.. work.Substitutions, .. work.Builds];
        indexOf = nodes.Select((node, index) => (node, index)).ToDictionary(pair => pair.node, pair => pair.index);
        var made = work.Builds.SelectMany(node => ExpansionsFor(graph.Nodes[node]));
        if (expanded is not null) made = made.Concat(ExpansionsOf(graph.Nodes[graph.Roots[0]], expanded.Use.Made));
        Expansion[] expansions = [.. made.DistinctBy(expansion => expansion.Path)];
        indexOfExpansion = expansions.Select((expansion, index) => (expansion.Path, Index: nodes.Length + index))
            .ToDictionary(pair => pair.Path, pair => pair.Index);
        Jobs =
        [
            .. nodes.Select((node, index) => Make(index, graph.Nodes[node])),
            .. expansions.Select((expansion, index) => Make(nodes.Length + index, expansion)),
        ];
        Graph = new([.. Jobs.Select(job => job.ToSchedulerJob(DependenciesOf(job)))]);
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
        var (graph, work) = await WorkSearch.FindAsync(derivations, requested, localOpening, cancellation);
        return From(graph, work, requested);
    }

    /// <summary>The same for derivations that have just been evaluated, and are evaluated again where they are gone.</summary>
    /// <exception cref="NixBuildFarmException">Derivations cannot be read, or the local store cannot be asked.</exception>
    public static Task<(IReadOnlyList<RequestedDerivation> Requested, RunJobs Jobs)> FindAsync(
        IReadOnlyList<RequestedDerivation> evaluated, Func<CancellationToken, Task<IReadOnlyList<RequestedDerivation>>> evaluate,
        IDerivationSource derivations, Task<BuilderSession> localOpening, CancellationToken cancellation) =>
        Reevaluation.UseAsync(
            evaluated,
            evaluate,
            async requested => (requested, await FindAsync(requested, derivations, localOpening, cancellation)),
            cancellation);

    /// <summary>Reads a derivation that another one has made, and asks the local store what has to be done for it.</summary>
    /// <exception cref="NixBuildFarmException">It cannot be read, or the local store cannot be asked.</exception>
    public static async Task<RunJobs> ExpandAsync(
        Expansion expansion, StorePath made, IDerivationSource derivations, BuilderSession local, CancellationToken cancellation)
    {
        var wanted = new RequestedDerivation(made, [.. expansion.Use.Needed]);
        var (graph, work) = await WorkSearch.FindAsync(derivations, [wanted], Task.FromResult(local), cancellation);
        return new(graph, work, requested: [], expansion);
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

    /// <summary>What has joined a run for a derivation that another one has made.</summary>
    public RunEvent.Expanded ToExpanded(RunJob job, IReadOnlyList<BuildObservation> known)
    {
        var made = graph.Nodes[graph.Roots[0]];
        var needs = ExpansionsOf(made, job.Expansion!.Use.Made).Select(expansion => indexOfExpansion[expansion.Path]).ToList();
        if (indexOf.TryGetValue(made.Index, out var build)) needs.Add(build);
        var outputs = new Dictionary<string, StorePath>();
        foreach (var name in work.Wanted[made.Index])
        {
            if (KnownPathOf((made, name)) is { } path) outputs.Add(name, path);
        }
        return new(job, made.Path, Jobs, Graph, needs, outputs) { Known = known };
    }

    /// <summary>What there is to do, for people; what builds make and is not known yet is left out.</summary>
    /// <param name="estimateOf">What is expected of a job; null: nothing is known yet.</param>
    public IReadOnlyList<FoundDerivation> Describe(Func<int, Estimate>? estimateOf) =>
    [
        // These come last among the jobs, so that the others keep their places.
        .. Jobs.TakeWhile(job => job.Expansion is null).Select(job => new FoundDerivation(
            job.Path.ToString(), job.Name, job.Derivation.System)
        {
            IsFetched = job.IsSubstitution,
            IsRequested = job.IsRequested,
            Needs = [.. DependenciesOf(job).Where(other => Jobs[other].Expansion is null)],
            ExpectedSeconds = job.IsSubstitution ? null : estimateOf?.Invoke(job.Index).Seconds,
            IsGuess = !job.IsSubstitution && estimateOf?.Invoke(job.Index).IsGuess == true,
        }),
    ];

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

    private static RunJob Make(int index, Expansion expansion) => new()
    {
        Index = index,
        Node = expansion.ToNode(),
        Expansion = expansion,
        IsSubstitution = false,
        IsRequested = false,
        Unresolved = null,
        Inputs = [],
        Wanted = [],
    };

    private IEnumerable<Expansion> ExpansionsOf(DerivationNode maker, IReadOnlyDictionary<string, DynamicInput> made) =>
        made.Select(one => new Expansion(maker.Path, one.Key, one.Value) { Known = KnownPathOf((maker, one.Key)) });

    private IEnumerable<Expansion> ExpansionsFor(DerivationNode user) =>
        user.Inputs.SelectMany(input => ExpansionsOf(graph.Nodes[input.Index], input.Made));

    private int[] DependenciesOf(RunJob job)
    {
        if (job.IsSubstitution) return [];
        if (job.Expansion is { } expansion) return JobsOf(graph.Find(expansion.Maker)!.Index);
        return
        [
            .. job.Node.Inputs.SelectMany(input => JobsOf(input.Index)),
            .. ExpansionsFor(job.Node).Select(made => indexOfExpansion[made.Path]),
        ];

        int[] JobsOf(int node) => indexOf.TryGetValue(node, out var index) ? [index] : [];
    }

    private UnresolvedDerivation? UnresolvedOf(DerivationNode node, IReadOnlyCollection<(DerivationNode Node, string Output)> used)
    {
        var made = node.Inputs.SelectMany(input => MadeBy(graph.Nodes[input.Index].Path, [], input.Made)).ToArray();
        if (node.Derivation.AreOutputPathsKnown && made.Length == 0 && used.All(input => PathOf(input) is not null)) return null;
        var (known, awaited) = (new List<RealisedInput>(), new List<UsedOutput>());
        foreach (var input in used)
        {
            if (input.Node.Derivation.IsImpure && node.Derivation is { IsImpure: false, IsFixedOutput: false })
            {
                throw Impure(node, input.Node);
            }
            var output = new UsedOutput(input.Node.Path, input.Output);
            if (PathOf(input) is { } path) known.Add(new(path));
            else if (KnownPathOf(input) is { } realised) known.Add(new(realised, output.Placeholder));
            else awaited.Add(output);
        }
        return new(node, hashes, known, [.. awaited, .. made]);
    }

    /// <summary>Nix refuses it too: what is found again by its inputs must not have inputs that differ each time.</summary>
    private static NixBuildFarmException Impure(DerivationNode node, DerivationNode input) => new(
        "ImpureInput",
        $"{node.Name} needs {input.Name}, which is impure, and is not impure itself: {node.Path}",
        "Make it impure too (__impure = true), or one whose hash is given (outputHash).");

    /// <summary>The outputs that are used of derivations which a derivation makes, and which these make in turn.</summary>
    private static IEnumerable<UsedOutput> MadeBy(
        StorePath maker, IReadOnlyList<string> through, IReadOnlyDictionary<string, DynamicInput> made) =>
        from one in made
        let outputs = (IReadOnlyList<string>)[.. through, one.Key]
        let own = one.Value.Outputs.Select(name => new UsedOutput(maker, [.. outputs, name]))
        from used in own.Concat(MadeBy(maker, outputs, one.Value.Made))
        select used;

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
