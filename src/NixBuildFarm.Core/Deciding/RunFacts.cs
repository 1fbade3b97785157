using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Platform;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Sessions;
using NixBuildFarm.Supplying;

namespace NixBuildFarm.Deciding;

/// <summary>
/// What all parts of a run decide on: its jobs, builders, scheduler and time; and where they put the actions that they decide. Only the run's
/// loop touches it.
/// </summary>
internal sealed class RunFacts
{
    private readonly List<BuilderSession> farm;
    private readonly Queue<RunAction> actions = new();
    private bool isStopped;

    public RunFacts(
        RunRules rules,
        IReadOnlyList<RunJob> jobs,
        JobGraph graph,
        BuilderSession local,
        IReadOnlyList<BuilderSession> farm,
        RunEstimates estimates,
        PathCatalog catalog,
        RunClock clock)
    {
        this.farm = [.. farm];
        (Rules, Jobs, Local, Estimates, Catalog, Clock) = (rules, jobs, local, estimates, catalog, clock);
        Scheduler = new(graph, [.. farm.Select(Describe)], estimates.Current, rules.Scheduling);
    }

    /// <summary>What the user has laid down.</summary>
    public RunRules Rules { get; }

    /// <summary>The jobs, by index.</summary>
    public IReadOnlyList<RunJob> Jobs { get; }

    /// <summary>The local store.</summary>
    public BuilderSession Local { get; }

    /// <summary>The builders, by the scheduler's index. One that comes back gets its index again, with a new session.</summary>
    public IReadOnlyList<BuilderSession> Farm => farm;

    /// <summary>What is believed of jobs and builders.</summary>
    public RunEstimates Estimates { get; }

    /// <summary>Which builder has which path.</summary>
    public PathCatalog Catalog { get; }

    /// <summary>Tells the user.</summary>
    public required RunReporter Reporter { get; init; }

    /// <summary>The time.</summary>
    public RunClock Clock { get; }

    /// <summary>Decides what is built where.</summary>
    public Scheduler Scheduler { get; }

    /// <summary>Ends with the run.</summary>
    public required CancellationToken Stopping { get; init; }

    /// <summary>Whether the run starts nothing more.</summary>
    public bool IsStopped => isStopped || Stopping.IsCancellationRequested;

    /// <summary>Why the run cannot go on; null: it can, or has ended for another reason.</summary>
    public BuilderException? Fatal { get; private set; }

    /// <summary>Has an action carried out, after those decided before.</summary>
    public void Do(RunAction action) => actions.Enqueue(action);

    /// <summary>Takes the next action.</summary>
    public bool TryTakeAction(out RunAction? action) => actions.TryDequeue(out action);

    /// <summary>Tells the scheduler.</summary>
    public void Apply(SchedulingEvent happened) => Scheduler.Apply(happened);

    /// <summary>A job has failed for good: without KeepGoing, that ends the run.</summary>
    public void Fail(RunJob job, NixBuildStatus status, Attempt? attempt = null, BuildOutcome? outcome = null, string? error = null)
    {
        Reporter.End(job, status, attempt, outcome, error);
        if (!Rules.KeepGoing) Stop();
    }

    /// <summary>Ends the run with an error.</summary>
    public void EndRun(BuilderException fatal)
    {
        Fatal ??= fatal;
        Stop();
    }

    /// <summary>The index of a builder; -1 where the session is not one of the farm, or not the builder's current one.</summary>
    public int IndexOf(BuilderSession session) => farm.IndexOf(session);

    /// <summary>The index of a builder; -1 where it has not joined.</summary>
    public int IndexOf(string builder) => farm.FindIndex(session => session.Builder.Name == builder);

    /// <summary>Adds a builder, or puts its new session in the place of the old one.</summary>
    /// <returns>Whether it is new.</returns>
    public bool Join(BuilderSession session)
    {
        var known = IndexOf(session.Builder.Name);
        if (known < 0) farm.Add(session);
        else farm[known] = session;
        Apply(new SchedulingEvent.BuilderJoined(Clock.Now, Describe(session)));
        return known < 0;
    }

    /// <summary>A builder as the history knows it, with the cores that its machine has told.</summary>
    public FarmBuilder Describe(BuilderSession session) =>
        Estimates.Farm.First(builder => builder.Name == session.Builder.Name) with { Cores = session.Builder.BuildCores ?? 0 };

    /// <summary>
    /// The builder that an error names, if it is one of the farm; null: the error names none. Need not be the one that builds: inputs come from
    /// others.
    /// </summary>
    public BuilderSession? SuspectOf(Exception error, BuilderSession here) => error is not BuilderException e ? null
        : e.Builder == here.Builder.Name ? here
        : e.Builder == Local.Builder.Name ? Local
        : farm.Find(session => session.Builder.Name == e.Builder);

    /// <summary>A job is done: its dependents may be ready now.</summary>
    public void MarkDependentsReady(RunJob job)
    {
        foreach (var dependent in Scheduler.Graph.DependentsOf(job.Index)) MarkReady(dependent);
    }

    /// <summary>Records when a job became ready.</summary>
    public void MarkReady(int job)
    {
        if (Scheduler.StateOf(job) == JobState.Ready) Jobs[job].Ready ??= Clock.UtcNow;
    }

    private void Stop()
    {
        isStopped = true;
        Do(new RunAction.StopRun());
    }
}
