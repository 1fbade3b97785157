using NixBuildFarm.Scheduling.Placing;
using NixBuildFarm.Scheduling.Playing;

namespace NixBuildFarm.Scheduling;

/// <summary>Where a job stands.</summary>
public enum JobState : byte
{
    /// <summary>Something that it depends on is not done.</summary>
    Waiting,

    /// <summary>It can start.</summary>
    Ready,

    /// <summary>It was given to a builder, or to two (hedge).</summary>
    Running,

    /// <summary>Its outputs exist.</summary>
    Done,

    /// <summary>It does not build.</summary>
    Failed,

    /// <summary>It will not be built: cancelled, or something that it depends on has failed.</summary>
    Abandoned,
}

/// <summary>
/// Decides which job runs when and where. Pure: it learns of the world by <see cref="Apply(SchedulingEvent)"/> alone and answers by
/// <see cref="Decide"/>; it has no clock, no threads and no I/O, and the same events yield the same decisions. The run and the simulator
/// differ only in who makes the events. After one or more events call <see cref="Decide"/> once; when <see cref="NextWakeup"/> is set, also
/// at that time. Times are seconds since the run began. Not safe for several threads at once.
/// </summary>
/// <remarks>Longer than most files: each event changes state that the decision reads, so that both are read side by side.</remarks>
internal sealed class Scheduler
{
    /// <summary>Ranks that are recomputed in one decision; a change that reaches further is spread over several.</summary>
    private const int MaxRankUpdates = 5000;

    private readonly SchedulingState state;
    private readonly SchedulerOptions options;
    private readonly Placement placement;
    private readonly List<SchedulingDecision> pending = [];
    private readonly Portfolio? portfolio;
    private Heuristic heuristic;
    private UpwardRank rank;
    private double[] bestSpeeds = [];
    private double lastEventAt;

    /// <summary>Makes a scheduler for one run.</summary>
    /// <param name="graph">What is to be built.</param>
    /// <param name="farm">The builders, by index from now on.</param>
    /// <param name="estimates">What is believed of each job, by index.</param>
    /// <param name="options">How to decide.</param>
    public Scheduler(JobGraph graph, IReadOnlyList<FarmBuilder> farm, IReadOnlyList<Estimate> estimates, SchedulerOptions? options = null)
    {
        if (estimates.Count != graph.Count) throw new ArgumentException("One estimate for each job is needed.", nameof(estimates));
        this.options = options ?? new SchedulerOptions();
        heuristic = Heuristic.Of(this.options.Policy);
        state = new SchedulingState(graph, farm, estimates, heuristic);
        placement = new Placement(state, this.options, heuristic);
        portfolio = this.options.Policy == SchedulingRule.Portfolio ? new Portfolio(this) : null;
        rank = new UpwardRank(graph, Weights());
        OrderByRank();
    }

    /// <summary>A copy to try a heuristic on.</summary>
    private Scheduler(Scheduler other, Heuristic heuristic)
    {
        options = other.options with { Policy = SchedulingRule.EarliestFinish };
        state = other.state.Clone();
        lastEventAt = other.lastEventAt;
        this.heuristic = heuristic;
        placement = other.placement.Fork(state, options, heuristic);
        rank = heuristic.HasSameOrder(other.heuristic) ? other.rank.Clone() : new UpwardRank(Graph, Weights());
        OrderByRank();
    }

    /// <summary>What is to be built.</summary>
    public JobGraph Graph => state.Graph;

    /// <summary>How many jobs are neither done nor given up.</summary>
    public int Remaining => state.Unsettled;

    /// <summary>How many jobs are ready and not started.</summary>
    public int ReadyCount => state.ReadyCount;

    /// <summary>
    /// When to call <see cref="Decide"/> again although nothing has happened: a job waits for a builder that may be late, or a straggler
    /// may deserve a second start. Null: never.
    /// </summary>
    public double? NextWakeup => placement.NextWakeup;

    /// <summary>The builders as last described, by index, lost ones included.</summary>
    public IReadOnlyList<FarmBuilder> Builders => Array.ConvertAll(state.Builders, b => b.Description);

    /// <summary>How it works.</summary>
    public SchedulerOptions Options => options;

    /// <summary>A builder as last described.</summary>
    public FarmBuilder DescriptionOf(int builder) => state.Builders[builder].Description;

    /// <summary>Whether the outputs of a job are at a builder, as far as was told.</summary>
    public bool HasOutputs(int job, int builder) => state.Locations.Has(job, builder);

    /// <summary>Whether no builder has the outputs of a job, as far as was told.</summary>
    public bool IsNowhere(int job) => state.Locations.IsNowhere(job);

    /// <summary>The builder that a job was done on; −1 where it was not, or not by a builder.</summary>
    public int MadeOn(int job) => state.MadeOn(job);

    /// <summary>The speed of a builder for a job.</summary>
    public double SpeedOf(int builder, int job) => state.SpeedOf(builder, job);

    /// <summary>
    /// Whether a try of a job counts: not any more from the moment on at which another one has ended it, before anybody is told to call it
    /// off.
    /// </summary>
    public bool Runs(int job, int builder) => state.Builders[builder].IndexOf(job) >= 0;

    /// <summary>Where a job stands.</summary>
    public JobState StateOf(int job) => state.StateOf(job);

    /// <summary>Whether a builder takes jobs.</summary>
    public BuilderStatus StatusOf(int builder) => state.Builders[builder].Status;

    /// <summary>The memory to keep for a job on a builder, in bytes.</summary>
    public long MemoryNeedOf(int job, int builder) => state.NeedOf(job, builder);

    /// <summary>What a builder would write to its store for a job, in bytes: its outputs, and the inputs that are not there.</summary>
    public long SpaceNeedOf(int job, int builder) => state.SpaceOf(job, builder);

    /// <summary>Whether a builder takes nothing new for the time being.</summary>
    public bool IsHeld(int builder) => state.Builders[builder].IsHeld;

    /// <summary>What is believed of a job.</summary>
    public Estimate EstimateOf(int job) => state.Estimates[job];

    /// <summary>
    /// The least time that remains once the job starts, by present estimates and in the order that is followed (the portfolio may have put
    /// small random factors on the weights).
    /// </summary>
    public double RankOf(int job) => rank[job];

    /// <summary>
    /// Finished jobs whose outputs are, as far as was told, on this builder alone, and that are still needed: requested, or something
    /// depends on them that is not done or would have to be done again as well.
    /// </summary>
    public IReadOnlyList<int> OutputsOnlyOn(int builder) => LostOutputs.Of(
        Graph,
        job =>
            state.StateOf(job) == JobState.Done && state.MadeOn(job) >= 0
                && (state.Locations.IsOnlyAt(job, builder) || state.Locations.IsNowhere(job)),
        state.IsNeeded);

    /// <summary>Whether a dependent of a job is still to be done.</summary>
    public bool HasUnsettledDependents(int job) => state.HasUnsettledDependents(job);

    /// <summary>For each builder, by index, what keeps it from taking the job; null where nothing does.</summary>
    public IReadOnlyList<string?> WhyNot(int job)
    {
        var verdicts = Eligibility.OnFarm(Graph[job] with { StatedCores = 0 }, Builders);
        var may = state.BuildersFor(job);
        return Enumerable.Range(0, state.Builders.Length).Select(b => state.Builders[b].Status switch
        {
            BuilderStatus.Lost => "it was lost",
            BuilderStatus.Draining => "it is being drained",
            _ when state.IsExcluded(job, b) => "the job has failed there, or cannot be built there",
            _ => verdicts[b].Problem ?? (may[b] ? null : LargeEnough.Shortage(DescriptionOf(b), Graph[job], state.Estimates[job].Memory)),
        }).ToArray();
    }

    /// <summary>Takes note of something that has happened.</summary>
    /// <exception cref="InvalidOperationException">
    /// It cannot have happened, e.g. a job has finished that does not run there: applied twice, or meant for another run. Nothing was
    /// changed.
    /// </exception>
    public void Apply(SchedulingEvent happened)
    {
        if (!(happened.At >= lastEventAt - 1e-6)) Refuse(happened, $"the event before it was at {lastEventAt}");
        switch (happened)
        {
            case SchedulingEvent.JobStarted e: Apply(e); break;
            case SchedulingEvent.JobFinished e: Apply(e); break;
            case SchedulingEvent.JobFailed e: Apply(e); break;
            case SchedulingEvent.JobExcluded e: Apply(e); break;
            case SchedulingEvent.OutputsLost e: Apply(e); break;
            case SchedulingEvent.JobResolved e: Apply(e); break;
            case SchedulingEvent.OutputsArrived e: Apply(e); break;
            case SchedulingEvent.InputsArrived e: Apply(e); break;
            case SchedulingEvent.BuilderJoined e: Apply(e); break;
            case SchedulingEvent.BuilderLost e: Apply(e); break;
            case SchedulingEvent.BuilderDrained e: Apply(e); break;
            case SchedulingEvent.BuilderHeld e: Apply(e); break;
            case SchedulingEvent.SpaceTold e: Apply(e); break;
            case SchedulingEvent.BuildersExpected e: state.ExpectsBuilders = e.AreExpected; break;
            case SchedulingEvent.BuilderChanged e: Apply(e); break;
            case SchedulingEvent.EstimateChanged e: Apply(e); break;
            case SchedulingEvent.WorkAdded e: Apply(e); break;
            case SchedulingEvent.NeedsFound e: Apply(e); break;
            case SchedulingEvent.WorkWithdrawn e: Apply(e); break;
            case SchedulingEvent.ClaimsChanged e: Apply(e); break;
            default: Refuse(happened, "this kind of event is unknown"); break;
        }
        lastEventAt = Math.Max(lastEventAt, happened.At);
    }

    /// <summary>Says what to do now. The decisions count as carried out; what comes of them is told by events.</summary>
    public IReadOnlyList<SchedulingDecision> Decide(double now)
    {
        var decisions = new List<SchedulingDecision>(pending);
        pending.Clear();
        rank.Update(MaxRankUpdates, SetKey);
        portfolio?.Reconsider(now);
        placement.Decide(now, decisions);
        return decisions;
    }

    internal SchedulingState State => state;

    /// <summary>Jobs played until now to choose a heuristic: what planning has cost.</summary>
    internal int JobsPlayed => portfolio?.Played ?? 0;

    /// <summary>The duration that is expected of a job with the help of others, as a part of what it is without.</summary>
    internal double SharingFactorOf(int job, int builder, int cores) => placement.Sharing.FactorOf(job, builder, cores);

    internal Heuristic Heuristic => heuristic;

    internal Scheduler Fork(Heuristic other) => new(this, other);

    /// <summary>Goes on with another heuristic.</summary>
    internal void SwitchTo(Heuristic other)
    {
        if (other == heuristic) return;
        var sameOrder = other.HasSameOrder(heuristic);
        heuristic = other;
        placement.SwitchTo(other);
        if (sameOrder) return;
        rank = new UpwardRank(Graph, Weights());
        OrderByRank();
    }

    private static void Refuse(SchedulingEvent happened, string why) =>
        throw new InvalidOperationException($"The event {happened} cannot be: {why}.");

    private void Apply(SchedulingEvent.JobStarted e)
    {
        CheckRuns(e, e.Job, e.Builder);
        var builder = state.Builders[e.Builder];
        if (builder.Slots[builder.IndexOf(e.Job)].HasBegun) Refuse(e, $"{Graph[e.Job].Name} has begun there already");
        placement.Begin(e.Job, e.Builder, e.At);
    }

    private void Apply(SchedulingEvent.JobFinished e)
    {
        CheckRuns(e, e.Job, e.Builder);
        if (e.OutputBytes < 0) Refuse(e, "a size is not negative");
        var slot = state.Release(e.Job, e.Builder);
        CancelOtherAttempt(e.Job);
        portfolio?.Surprise(placement.Sharing.IsOn
            ? Math.Abs(e.At - slot.FreeAt)
            : Math.Abs(e.At - slot.StartedAt - state.Estimates[e.Job].Seconds / state.SpeedOf(e.Builder, e.Job)));
        state.SetMade(e.Job, e.Builder, e.OutputBytes);
    }

    private void Apply(SchedulingEvent.JobFailed e)
    {
        CheckRuns(e, e.Job, e.Builder);
        state.Release(e.Job, e.Builder);
        if (e.Kind == FailureKind.Permanent)
        {
            CancelOtherAttempt(e.Job);
            GiveUp(e.Job, JobState.Failed);
            return;
        }
        if (e.Kind == FailureKind.RetryElsewhere) state.Exclude(e.Job, e.Builder);
        placement.EndHedge(e.Job);
        if (RunsNowhere(e.Job)) BackToQueue(e.Job);
        placement.FarmChanged();
    }

    private void Apply(SchedulingEvent.JobExcluded e)
    {
        CheckJob(e, e.Job);
        CheckBuilder(e, e.Builder);
        if (state.Builders[e.Builder].IndexOf(e.Job) >= 0) Refuse(e, $"{Graph[e.Job].Name} runs there");
        state.Exclude(e.Job, e.Builder);
        placement.FarmChanged();
    }

    private void Apply(SchedulingEvent.OutputsLost e)
    {
        CheckJob(e, e.Job);
        if (state.StateOf(e.Job) != JobState.Done) Refuse(e, $"{Graph[e.Job].Name} is {state.StateOf(e.Job)}, not done");
        state.SetUndone(e.Job);
        AbandonIfDoomed(e.Job);
    }

    private void Apply(SchedulingEvent.JobResolved e)
    {
        CheckJob(e, e.Job);
        if (state.StateOf(e.Job) is not (JobState.Waiting or JobState.Ready))
        {
            Refuse(e, $"{Graph[e.Job].Name} is {state.StateOf(e.Job)} already");
        }
        if (e.Outcome == ExternalOutcome.Cancelled)
        {
            GiveUp(e.Job, JobState.Abandoned);
            return;
        }
        foreach (var (builder, index) in state.Builders.Select((b, i) => (b, i)))
        {
            if (e.Builder is { } holder ? index == holder : builder.Description.IsLocal) state.Locations.Add(e.Job, index);
        }
        state.SetDone(e.Job);
    }

    private void Apply(SchedulingEvent.OutputsArrived e)
    {
        CheckJob(e, e.Job);
        CheckBuilder(e, e.Builder);
        if (state.StateOf(e.Job) != JobState.Done) Refuse(e, $"{Graph[e.Job].Name} is not done");
        state.Locations.Add(e.Job, e.Builder);
    }

    private void Apply(SchedulingEvent.InputsArrived e)
    {
        CheckJob(e, e.Job);
        CheckBuilder(e, e.Builder);
        placement.InputsArrived(e.Job, e.Builder, e.At);
    }

    private void Apply(SchedulingEvent.BuilderJoined e)
    {
        var known = Array.FindIndex(state.Builders, b => b.Description.Name == e.Description.Name);
        if (known >= 0 && state.Builders[known].Status == BuilderStatus.Online) Refuse(e, "it takes part already");
        if (known < 0)
        {
            state.AddBuilder(e.Description);
        }
        else
        {
            state.Describe(known, e.Description);
            state.SetStatus(known, BuilderStatus.Online);
        }
        FarmChanged();
    }

    private void Apply(SchedulingEvent.BuilderLost e)
    {
        CheckBuilder(e, e.Builder);
        if (StatusOf(e.Builder) == BuilderStatus.Lost) Refuse(e, "it is lost already");
        var interrupted = state.Builders[e.Builder].Slots.Where(s => s.Job >= 0).Select(s => s.Job).ToArray();
        foreach (var job in interrupted) state.Release(job, e.Builder);
        state.Hold(e.Builder, false);
        state.Builders[e.Builder].FreeSpace = null;
        state.SetStatus(e.Builder, BuilderStatus.Lost);
        state.Locations.RemoveBuilder(e.Builder);
        foreach (var job in interrupted)
        {
            placement.EndHedge(job);
            if (RunsNowhere(job)) BackToQueue(job);
        }
        FarmChanged();
    }

    private void Apply(SchedulingEvent.BuilderDrained e)
    {
        CheckBuilder(e, e.Builder);
        if (StatusOf(e.Builder) != BuilderStatus.Online) Refuse(e, $"it is {StatusOf(e.Builder)}");
        state.SetStatus(e.Builder, BuilderStatus.Draining);
        FarmChanged();
    }

    private void Apply(SchedulingEvent.BuilderHeld e)
    {
        CheckBuilder(e, e.Builder);
        if (StatusOf(e.Builder) != BuilderStatus.Lost) state.Hold(e.Builder, e.IsHeld);
    }

    private void Apply(SchedulingEvent.SpaceTold e)
    {
        CheckBuilder(e, e.Builder);
        if (StatusOf(e.Builder) != BuilderStatus.Lost) state.Builders[e.Builder].FreeSpace = e.FreeSpace;
    }

    private void Apply(SchedulingEvent.BuilderChanged e)
    {
        CheckBuilder(e, e.Builder);
        if (StatusOf(e.Builder) == BuilderStatus.Lost) Refuse(e, "it is lost");
        if (e.Description.Name != state.Builders[e.Builder].Description.Name) Refuse(e, "it has another name");
        var before = state.Builders[e.Builder].Description;
        state.Describe(e.Builder, e.Description);
        // A plan bears other speeds, and what others on a machine take and give back.
        FarmChanged(isSlight: before with { Systems = e.Description.Systems, OthersMemory = e.Description.OthersMemory } == e.Description);
    }

    private void Apply(SchedulingEvent.EstimateChanged e)
    {
        CheckJob(e, e.Job);
        if (!(e.Estimate is { Seconds: >= 0, Spread: >= 0, CommonSpread: >= 0 })) Refuse(e, "an estimate is not negative");
        if (!state.IsUnsettled(e.Job)) return;
        portfolio?.Surprise(Math.Abs(e.Estimate.Seconds - state.Estimates[e.Job].Seconds));
        state.SetEstimate(e.Job, e.Estimate);
        placement.EstimateChanged(e.Job, e.At);
        rank.SetWeight(e.Job, WeightOf(e.Job));
    }

    private void Apply(SchedulingEvent.WorkAdded e)
    {
        if (e.Estimates.Count != e.Jobs.Count) Refuse(e, "one estimate for each job is needed");
        var first = Graph.Count;
        Graph.Add(e.Jobs);
        state.AddJobs(first, e.Estimates);
        bestSpeeds = state.Groups.BestSpeed;
        rank.Add(first, WeightOf);
        for (var job = first; job < Graph.Count; job++)
        {
            // What waits for the same more jobs is more urgent among equals.
            foreach (var dependency in Graph.DependenciesOf(job))
            {
                if (dependency < first) state.Requeue(dependency);
            }
            if (!heuristic.IsFifo) state.Order.Key[job] = rank[job];
            state.Admit(job);
        }
        // What joins in any order has been admitted: it goes with what it needs.
        for (var job = first; job < Graph.Count; job++) AbandonIfDoomed(job);
        foreach (var job in e.Requested) Graph.SetRequested(job, true);
        portfolio?.Surprise(e.Estimates.Sum(estimate => estimate.Seconds));
    }

    private void Apply(SchedulingEvent.NeedsFound e)
    {
        foreach (var job in e.Jobs.Concat(e.Needs)) CheckJob(e, job);
        foreach (var job in e.Jobs.Where(job => state.StateOf(job) != JobState.Waiting)) Refuse(e, $"{Graph[job].Name} does not wait");
        if (!Graph.TryAddDependencies(e.Jobs, e.Needs)) Refuse(e, "they would wait for themselves");
        rank.AddDependents(e.Needs);
        foreach (var job in e.Needs) state.Requeue(job);
        foreach (var job in e.Jobs) state.CountUnmet(job);
        foreach (var job in e.Jobs) AbandonIfDoomed(job);
    }

    private void Apply(SchedulingEvent.WorkWithdrawn e)
    {
        foreach (var job in e.NotRequested) Graph.SetRequested(job, false);
        foreach (var job in e.Jobs.Where(state.IsUnsettled))
        {
            if (state.StateOf(job) == JobState.Running) ReleaseEverywhere(job);
            state.Withdraw(job);
            portfolio?.Surprise(state.Estimates[job].Seconds);
        }
    }

    private void Apply(SchedulingEvent.ClaimsChanged e)
    {
        foreach (var claim in e.Claims) CheckJob(e, claim.Job);
        foreach (var claim in e.Claims) state.Claim(claim);
    }

    private void ReleaseEverywhere(int job)
    {
        for (var b = 0; b < state.Builders.Length; b++)
        {
            if (state.Builders[b].IndexOf(job) >= 0) state.Release(job, b);
        }
        placement.EndHedge(job);
        state.BackToQueue(job);
    }

    private void CheckJob(SchedulingEvent e, int job)
    {
        if (job < 0 || job >= Graph.Count) Refuse(e, "there is no such job");
    }

    private void CheckBuilder(SchedulingEvent e, int builder)
    {
        if (builder < 0 || builder >= state.Builders.Length) Refuse(e, "there is no such builder");
    }

    private void CheckRuns(SchedulingEvent e, int job, int builder)
    {
        CheckJob(e, job);
        CheckBuilder(e, builder);
        if (state.StateOf(job) != JobState.Running || state.Builders[builder].IndexOf(job) < 0)
        {
            Refuse(e, $"{Graph[job].Name} does not run on {state.Builders[builder].Description.Name}");
        }
    }

    private bool RunsNowhere(int job) => Array.TrueForAll(state.Builders, b => b.IndexOf(job) < 0);

    private void CancelOtherAttempt(int job)
    {
        if (!placement.IsHedged(job)) return;
        for (var b = 0; b < state.Builders.Length; b++)
        {
            if (state.Builders[b].IndexOf(job) < 0) continue;
            state.Release(job, b);
            pending.Add(new SchedulingDecision.Cancel(job, b));
        }
        placement.EndHedge(job);
    }

    private void BackToQueue(int job)
    {
        state.BackToQueue(job);
        AbandonIfDoomed(job);
    }

    /// <summary>What a job needs was given up while it ran, or when it was done: it cannot be built again.</summary>
    private void AbandonIfDoomed(int job)
    {
        if (state.StateOf(job) != JobState.Waiting) return;
        foreach (var dependency in Graph.DependenciesOf(job))
        {
            if (state.StateOf(dependency) is not (JobState.Failed or JobState.Abandoned)) continue;
            pending.Add(new SchedulingDecision.Abandon(job, dependency));
            GiveUp(job, JobState.Abandoned);
            return;
        }
    }

    private void GiveUp(int job, JobState final) =>
        state.GiveUp(job, final, abandoned => pending.Add(new SchedulingDecision.Abandon(abandoned, job)));

    private void FarmChanged(bool isSlight = false)
    {
        placement.FarmChanged();
        if (!isSlight) portfolio?.Surprise(double.PositiveInfinity);
        // Who may help has changed as well.
        var mayBringMore = placement.Sharing.IsOn && !isSlight;
        if (IsSame(bestSpeeds, state.Groups.BestSpeed) && !mayBringMore) return;
        rank = new UpwardRank(Graph, Weights());
        OrderByRank();
    }

    private static bool IsSame(double[] before, double[] after) =>
        before.Length == after.Length && before.Zip(after).All(p => Math.Abs(p.First - p.Second) <= 0.05 * p.First);

    private void SetKey(int job)
    {
        if (heuristic.IsFifo) return;
        state.Order.Key[job] = rank[job];
        state.Requeue(job);
    }

    private void OrderByRank()
    {
        bestSpeeds = state.Groups.BestSpeed;
        if (heuristic.IsFifo) return;
        for (var job = 0; job < Graph.Count; job++) state.Order.Key[job] = rank[job];
        state.RequeueAll();
    }

    private double[] Weights()
    {
        if (placement.Sharing is { IsOn: true } sharing) sharing.ExpectAtBest(new UpwardRank(Graph, EachWeight()).All);
        return EachWeight();
    }

    private double[] EachWeight()
    {
        var weights = new double[Graph.Count];
        for (var job = 0; job < weights.Length; job++) weights[job] = WeightOf(job);
        return weights;
    }

    /// <summary>Seconds of a job on the fastest builder that may take it, with all cores if it can use them.</summary>
    private double WeightOf(int job)
    {
        var parallel = options.Moldable && Graph[job].EnableParallelBuilding;
        ref readonly var estimate = ref state.Estimates[job];
        var seconds = estimate.Seconds * estimate.FactorOf(parallel, state.BestCoresFor(job)) / state.BestSpeedOf(job);
        seconds *= placement.Sharing.RankFactorOf(job);
        return (seconds + options.StartOverhead) * heuristic.FactorOf(job);
    }
}
