using System.Collections.Immutable;
using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Protocol;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Deciding;

/// <summary>
/// What all parts of a run decide on: its jobs, builders, scheduler and time; and where they put the actions that they decide. All of it is
/// plain data: it has no clock, task or connection.
/// </summary>
internal sealed class RunFacts
{
    private readonly List<RunBuilder> farm;
    private readonly List<RunJob> jobs;
    private readonly Dictionary<StorePath, RunJob> jobOf = [];
    private readonly Dictionary<(StorePath Derivation, string Output), StorePath> there = [];
    private ImmutableDictionary<string, MachineReading> readings = ImmutableDictionary<string, MachineReading>.Empty;
    private readonly Queue<RunAction> actions = new();
    private readonly Queue<RunJob> failed = new();
    private readonly Queue<RunJob> undone = new();
    private readonly HashSet<(int Builder, object Cause)> holds = [];

    public RunFacts(
        RunRules rules,
        IReadOnlyList<RunJob> jobs,
        JobGraph graph,
        RunBuilder local,
        IReadOnlyList<RunBuilder> farm,
        RunEstimates estimates,
        DateTimeOffset started,
        string runId)
    {
        this.farm = [.. farm];
        this.jobs = [.. jobs];
        foreach (var job in jobs) jobOf.Add(job.Path, job);
        foreach (var job in jobs) Await(job);
        (Rules, Local, Estimates, Started) = (rules, local, estimates, started);
        Scheduler = new(graph, [.. farm.Select(Describe)], estimates.Current, rules.Scheduling);
        Reporter = new(this, runId);
        Describe(jobs);
    }

    /// <summary>What the user has laid down.</summary>
    public RunRules Rules { get; }

    /// <summary>The jobs, by index.</summary>
    public IReadOnlyList<RunJob> Jobs => jobs;

    /// <summary>The local store.</summary>
    public RunBuilder Local { get; }

    /// <summary>The builders, by the scheduler's index. One that comes back gets its index again, with the next generation.</summary>
    public IReadOnlyList<RunBuilder> Farm => farm;

    /// <summary>The builders that do not take part and may still join, or come back.</summary>
    public ISet<PendingConnection> Expected { get; } = new HashSet<PendingConnection>();

    /// <summary>Builders, by name, and the experimental features of Nix that they have turned out not to have.</summary>
    public ISet<(string Builder, string Feature)> SwitchedOff { get; } = new HashSet<(string, string)>();

    /// <summary>What machines have, as they last told, by the name of their builder.</summary>
    public IReadOnlyDictionary<string, MachineReading> Readings => readings;

    /// <summary>What is believed of jobs and builders.</summary>
    public RunEstimates Estimates { get; }

    /// <summary>Says what the user is told.</summary>
    public RunReporter Reporter { get; }

    /// <summary>Decides what is built where.</summary>
    public Scheduler Scheduler { get; }

    /// <summary>When the run began.</summary>
    public DateTimeOffset Started { get; }

    /// <summary>The time of the event that is being decided: seconds since the run began.</summary>
    public double Now { get; private set; }

    /// <summary>The same as the time of day.</summary>
    public DateTimeOffset UtcNow => Started + TimeSpan.FromSeconds(Now);

    /// <summary>Whether the run starts nothing more.</summary>
    public bool IsStopped { get; private set; }

    /// <summary>Why the run cannot go on; null: it can, or has ended for another reason.</summary>
    public BuilderException? Fatal { get; private set; }

    /// <summary>Time has passed.</summary>
    public void PassTo(double now) => Now = Math.Max(Now, now);

    /// <summary>Has an action carried out, after those decided before.</summary>
    public void Do(RunAction action) => actions.Enqueue(action);

    /// <summary>Takes the next action.</summary>
    public bool TryTakeAction(out RunAction? action) => actions.TryDequeue(out action);

    /// <summary>Tells the scheduler.</summary>
    public void Apply(SchedulingEvent happened) => Scheduler.Apply(happened);

    /// <summary>
    /// Lets a builder take no new build for a cause, or no longer for it. It takes builds when no cause is left, or when it joins again.
    /// </summary>
    /// <returns>Whether that is new.</returns>
    public bool Hold(int builder, object cause, bool isHeld)
    {
        if (!(isHeld ? holds.Add((builder, cause)) : holds.Remove((builder, cause)))) return false;
        var isHeldNow = holds.Any(hold => hold.Builder == builder);
        if (Scheduler.IsHeld(builder) != isHeldNow) Apply(new SchedulingEvent.BuilderHeld(Now, builder, isHeldNow));
        return true;
    }

    /// <summary>A machine has told what it has; null: it tells nothing more.</summary>
    public void Know(RunBuilder builder, MachineReading? reading) =>
        readings = reading is null ? readings.Remove(builder.Name) : readings.SetItem(builder.Name, reading);

    /// <summary>Takes down how the scheduler has jobs that have joined, or wait for more than before.</summary>
    public void Describe(IEnumerable<RunJob> changed)
    {
        foreach (var job in changed) job.Described = Scheduler.Graph[job.Index];
    }

    /// <summary>The job of a derivation, the newest where there were several; null: there is none.</summary>
    public RunJob? Find(StorePath derivation) => jobOf.GetValueOrDefault(derivation);

    /// <summary>Where an output of a derivation is; null: nobody knows yet.</summary>
    public StorePath? PathOf(StorePath derivation, string output) =>
        Find(derivation)?.NamedOutputs.Where(known => known.Key == output).Select(known => known.Value).FirstOrDefault()
            ?? there.GetValueOrDefault((derivation, output));

    /// <summary>The local store has an output of a derivation that the run need not build.</summary>
    public void Know(StorePath derivation, string output, StorePath path) => there[(derivation, output)] = path;

    /// <summary>Resolves a job that is ready: what it needs has been built, and is known by now.</summary>
    public void Resolve(RunJob job) => job.Unresolved?.Resolve((derivation, output) => PathOf(derivation, output)
        ?? throw new InvalidOperationException(
            $"{job.Name} is to be built, but nobody knows where {new UsedOutput(derivation, output)} is."));

    /// <summary>The outputs of a job are in the local store.</summary>
    public void MarkHome(RunJob job)
    {
        job.IsHome = true;
        if (IndexOf(Local) is >= 0 and var home && Scheduler.StateOf(job.Index) == JobState.Done)
        {
            Apply(new SchedulingEvent.OutputsArrived(Now, job.Index, home));
        }
    }

    /// <summary>A job joins.</summary>
    public void Add(RunJob job)
    {
        jobs.Add(job);
        jobOf[job.Path] = job;
        Await(job);
    }

    /// <summary>What makes a derivation has to bring it home.</summary>
    private void Await(RunJob job)
    {
        if (job.Expansion is not { } expansion) return;
        if (expansion.Known is { } path) Know(expansion.Maker, expansion.Output, path);
        if (Find(expansion.Maker) is { } maker) maker.IsAwaitedAtHome = true;
    }

    /// <summary>A job that is done has to be done again, and needs what it was done from.</summary>
    public void Undo(RunJob job)
    {
        Apply(new SchedulingEvent.OutputsLost(Now, job.Index));
        undone.Enqueue(job);
    }

    /// <summary>Takes the next job that has to be done again.</summary>
    public bool TryTakeUndone(out RunJob? job) => undone.TryDequeue(out job);

    /// <summary>A job has failed for good, which ends the requests that want it, unless they keep going.</summary>
    public void Fail(RunJob job, NixBuildStatus status, Attempt? attempt = null, BuildOutcome? outcome = null, string? error = null)
    {
        var wasDone = job.HasEnded;
        Reporter.End(job, status, attempt, outcome, error);
        if (wasDone && job.LateError is { } why)
        {
            Reporter.Degraded($"{job.Name}, which was done, fails after all: {FailureText.InOneLine(why)}");
        }
        failed.Enqueue(job);
    }

    /// <summary>Takes the next job whose failure ends the requests that want it.</summary>
    public bool TryTakeFailed(out RunJob? job) => failed.TryDequeue(out job);

    /// <summary>Ends the run.</summary>
    public void StopRun()
    {
        if (!IsStopped) Do(new RunAction.StopRun());
        Stop();
    }

    /// <summary>Ends the run with an error.</summary>
    public void EndRun(BuilderException fatal)
    {
        Fatal ??= fatal;
        StopRun();
    }

    /// <summary>Nothing more starts.</summary>
    public void Stop() => IsStopped = true;

    /// <summary>The index of a builder; -1 where it is not one of the farm, or has been connected again since.</summary>
    public int IndexOf(RunBuilder builder) => farm.IndexOf(builder);

    /// <summary>The index of a builder; -1 where it has not joined.</summary>
    public int IndexOf(string builder) => farm.FindIndex(other => other.Name == builder);

    /// <summary>Adds a builder, or puts it in the place of what it was before it was lost.</summary>
    /// <returns>Whether it is new.</returns>
    public bool Join(RunBuilder builder)
    {
        var known = IndexOf(builder.Name);
        if (known < 0) farm.Add(builder);
        else farm[known] = builder;
        holds.RemoveWhere(hold => hold.Builder == known);
        Apply(new SchedulingEvent.BuilderJoined(Now, Describe(builder)));
        return known < 0;
    }

    /// <summary>A builder as the history knows it, with the cores that its machine has told, and which systems it emulates.</summary>
    public FarmBuilder Describe(RunBuilder builder)
    {
        var known = Estimates.Farm.First(other => other.Name == builder.Name);
        return known with
        {
            Cores = builder.Builder.BuildCores ?? 0,
            Memory = builder.Memory,
            Systems = [.. known.Systems.Select(system => system with { IsEmulated = builder.Emulates(system.System) })],
        };
    }

    /// <summary>
    /// The builder that an error names, if it is one of the farm; null: the error names none. Need not be the one that builds: inputs come
    /// from others.
    /// </summary>
    public RunBuilder? SuspectOf(Exception error, RunBuilder here) => error is not BuilderException e ? null
        : e.Builder == here.Name ? here
        : e.Builder == Local.Name ? Local
        : farm.Find(other => other.Name == e.Builder);

    /// <summary>A job is done: its dependents may be ready now.</summary>
    public void MarkDependentsReady(RunJob job)
    {
        foreach (var dependent in Scheduler.Graph.DependentsOf(job.Index)) MarkReady(dependent);
    }

    /// <summary>Records when a job became ready.</summary>
    public void MarkReady(int job)
    {
        if (Scheduler.StateOf(job) == JobState.Ready) Jobs[job].Ready ??= UtcNow;
    }
}
