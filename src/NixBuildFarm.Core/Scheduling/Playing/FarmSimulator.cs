using NixBuildFarm.Scheduling.Lending;

namespace NixBuildFarm.Scheduling.Playing;

/// <summary>
/// Plays a run on a described farm: a <see cref="Scheduler"/> decides as in a real run, and here is what would come of it. A job runs for
/// its seconds ÷ speed in one slot. A remote job needs its inputs there: what the machine lacks comes from whoever has it, one transfer at
/// a time for each machine and direction, outside of the slots; outputs then go home to the local machine in the background.
/// </summary>
/// <remarks>Longer than most files: it is one small world, whose slots, links and stores change with each happening.</remarks>
internal sealed class FarmSimulator
{
    private readonly Scheduler scheduler;
    private readonly IReadOnlyList<double> seconds;
    private readonly IReadOnlyList<long> outputBytes;
    private readonly SimulationOptions options;
    private readonly PriorityQueue<Happening, (double At, long Number)> future = new();
    private readonly Dictionary<(int Job, int Builder), Attempt> attempts = [];
    private readonly Dictionary<(int Job, int Builder), double> arrivals = [];
    private readonly List<ScheduledJob> schedule = [];
    private readonly List<FarmBuilder> farm;
    private readonly List<double> uplinkFree;
    private readonly List<double> downlinkFree;
    private readonly int local;
    private readonly SharedProgress? sharing;
    private readonly IReadOnlyList<CompileEstimate>? compiles;
    private readonly IReadOnlyList<double>? serialParts;
    private readonly IReadOnlyList<long>? peaks;
    private readonly SimulatedMemory? memory;
    private long happenings;
    private double now;
    private double wakeup;
    private long bytesMoved;
    private int decisions;
    private int joining;

    /// <summary>Prepares a run; <see cref="Run"/> plays it.</summary>
    /// <param name="scheduler">Decides. It has had no event yet.</param>
    /// <param name="truth">What the jobs really take, whatever the scheduler believes.</param>
    /// <param name="options">What else happens; null: nothing.</param>
    public FarmSimulator(Scheduler scheduler, GraphDurations truth, SimulationOptions? options = null)
        : this(scheduler, truth.Seconds, truth.OutputBytes, truth.Compiles, truth.SerialParts, options ?? new SimulationOptions())
    {
        if (truth.Memory is not null) (peaks, memory) = (truth.Memory, new SimulatedMemory(truth.Memory, farm));
        if (truth.Seconds.Count < scheduler.Graph.Count) throw new ArgumentException("One duration for each job is needed.", nameof(truth));
    }

    /// <summary>Continues a run that has begun: the builds that run and the outputs that are on their way go on.</summary>
    internal FarmSimulator(Scheduler scheduler, double now, IReadOnlyList<double> seconds)
        : this(
            scheduler,
            seconds,
            scheduler.State.OutputSizes,
            Array.ConvertAll(scheduler.State.Estimates, e => e.Compiles),
            Array.ConvertAll(scheduler.State.Estimates, e => e.SerialPart),
            new SimulationOptions())
    {
        this.now = now;
        for (var b = 0; b < farm.Count; b++)
        {
            (uplinkFree[b], downlinkFree[b]) = (now, scheduler.State.Transfers.DownlinkFree(b));
            foreach (var slot in scheduler.State.Builders[b].Slots)
            {
                if (slot.Job < 0) continue;
                var attempt = new Attempt(slot.Cores, slot.StartedAt);
                attempts[(slot.Job, b)] = attempt;
                if (slot.HasBegun && sharing?.MayShare(slot.Job, b) == true)
                {
                    BeginShared(slot.Job, b, attempt, LeftAlone(slot, b));
                    continue;
                }
                var running = new Happening(slot.HasBegun ? HappeningKind.Ended : HappeningKind.Started, slot.Job, b, attempt);
                Expect(running, slot.HasBegun ? ExpectedEnd(slot, b) : slot.StartedAt);
            }
        }
        for (var job = 0; job < seconds.Count && local >= 0; job++)
        {
            if (scheduler.MadeOn(job) < 0 || scheduler.HasOutputs(job, local) || !scheduler.State.IsNeeded(job)) continue;
            var home = now + outputBytes[job] / farm[scheduler.MadeOn(job)].UploadBandwidth;
            arrivals[(job, local)] = home;
            Expect(new Happening(HappeningKind.OutputsArrived, job, local), home);
        }
    }

    private FarmSimulator(
        Scheduler scheduler, IReadOnlyList<double> seconds, IReadOnlyList<long> outputBytes, IReadOnlyList<CompileEstimate>? compiles,
        IReadOnlyList<double>? serialParts, SimulationOptions options)
    {
        this.compiles = compiles;
        this.serialParts = serialParts;
        this.scheduler = scheduler;
        this.seconds = seconds;
        this.outputBytes = outputBytes;
        this.options = options;
        farm = [.. scheduler.Builders];
        if (scheduler.Options.Share != ShareMode.Never && compiles is not null)
        {
            sharing = new SharedProgress(scheduler, compiles, serialParts, farm);
        }
        uplinkFree = Enumerable.Repeat(0.0, scheduler.Builders.Count).ToList();
        downlinkFree = Enumerable.Repeat(0.0, scheduler.Builders.Count).ToList();
        local = scheduler.Builders.ToList().FindIndex(b => b.IsLocal);
    }

    private enum HappeningKind
    {
        InputsArrived,
        Started,
        Ended,
        Returned,
        OutputsArrived,
        Disturbance,
        Wakeup,
    }

    /// <summary>Plays the run to its end: all jobs done or given up, or nothing left that could happen.</summary>
    public SimulationResult Run()
    {
        joining = options.Disturbances.Count(disturbance => disturbance is SchedulingEvent.WorkAdded);
        foreach (var disturbance in options.Disturbances)
        {
            Expect(new Happening(HappeningKind.Disturbance, -1, -1, null, disturbance), disturbance.At);
        }
        Play(double.PositiveInfinity);
        return new SimulationResult
        {
            Farm = farm,
            Schedule = schedule,
            NotDone = scheduler.Graph.Count - schedule.Select(e => e.Job).Distinct().Count(),
            Bound = LowerBound.Of(
                scheduler.Graph,
                farm,
                seconds,
                scheduler.Options.Moldable,
                scheduler.Options.Share == ShareMode.Never ? null : compiles,
                peaks ?? scheduler.State.MemoryNeeds),
            BytesMoved = bytesMoved,
            Decisions = decisions,
            Killed = memory?.Killed ?? 0,
        };
    }

    /// <summary>Plays to the end, or until it is later than <paramref name="limit"/>; when that was.</summary>
    internal double Play(double limit)
    {
        CarryOut(scheduler.Decide(now));
        while ((scheduler.Remaining > 0 || joining > 0) && now <= limit && NextAt() is { } at)
        {
            now = at;
            while (NextAt() <= now) Happen(TakeNext());
            CarryOut(scheduler.Decide(now));
        }
        return now;
    }

    private double? NextAt()
    {
        double? planned = future.TryPeek(out _, out var next) ? next.At : null;
        return sharing?.Due is { } due && !(planned <= due) ? Math.Max(now, due) : planned;
    }

    private Happening TakeNext() =>
        sharing?.Due is { } due && !(future.TryPeek(out _, out var next) && next.At <= due) && sharing.TakeDue() is var (job, builder)
            ? new Happening(HappeningKind.Ended, job, builder, attempts.GetValueOrDefault((job, builder)))
            : future.Dequeue();

    private void BeginShared(int job, int builder, Attempt attempt, double left)
    {
        attempt.Alone = left;
        sharing!.Begin(job, builder, attempt.Cores, left, now);
    }

    /// <summary>Seconds that a build which has begun would take still without help.</summary>
    private double LeftAlone(BuilderState.Slot slot, int builder)
    {
        var factor = scheduler.SharingFactorOf(slot.Job, builder, slot.Cores);
        var scale = factor * TrueSeconds(slot.Job, builder, slot.Cores) / seconds[slot.Job];
        var elapsed = Math.Max(0, now - slot.StartedAt);
        return (slot.StartedAt + scale * scheduler.EstimateOf(slot.Job).ExpectedSeconds(elapsed / scale) - now) / factor;
    }

    private double ExpectedEnd(BuilderState.Slot slot, int builder)
    {
        var scale = TrueSeconds(slot.Job, builder, slot.Cores) / seconds[slot.Job];
        var elapsed = Math.Max(0, now - slot.StartedAt);
        return slot.StartedAt + scale * scheduler.EstimateOf(slot.Job).ExpectedSeconds(elapsed / scale);
    }

    private void Expect(Happening happening, double at) => future.Enqueue(happening, (Math.Max(at, now), happenings++));

    private void CarryOut(IReadOnlyList<SchedulingDecision> taken)
    {
        decisions++;
        foreach (var decision in taken)
        {
            options.Decided?.Invoke(decision);
            switch (decision)
            {
                case SchedulingDecision.Start d: Start(d.Job, d.Builder, d.Cores); break;
                case SchedulingDecision.Hedge d: Start(d.Job, d.Builder, d.Cores); break;
                case SchedulingDecision.Prefetch d:
                    Expect(new Happening(HappeningKind.InputsArrived, d.Job, d.Builder), Supply(d.Job, d.Builder));
                    break;
                case SchedulingDecision.Cancel d: Drop((d.Job, d.Builder)); break;
                // Jobs that are given up leave the run by themselves.
                case SchedulingDecision.Abandon or SchedulingDecision.NoBuilder: break;
            }
        }
        sharing?.Update(now);
        if (scheduler.NextWakeup is { } at && !(wakeup > now && wakeup <= at))
        {
            wakeup = at;
            Expect(new Happening(HappeningKind.Wakeup, -1, -1), at);
        }
    }

    private void Start(int job, int builder, int cores)
    {
        var attempt = new Attempt(cores, Supply(job, builder) + scheduler.Options.StartOverhead);
        attempts[(job, builder)] = attempt;
        Expect(new Happening(HappeningKind.Started, job, builder, attempt), attempt.Begin);
    }

    /// <summary>Moves what the builder lacks; when all will be there.</summary>
    private double Supply(int job, int builder)
    {
        var ready = now;
        foreach (var dependency in scheduler.Graph.DependenciesOf(job))
        {
            if (scheduler.HasOutputs(dependency, builder)) continue;
            if (!arrivals.TryGetValue((dependency, builder), out var arrival))
            {
                arrival = Move(dependency, scheduler.MadeOn(dependency), builder);
                arrivals.Add((dependency, builder), arrival);
            }
            ready = Math.Max(ready, arrival);
        }
        return ready;
    }

    /// <summary>
    /// One transfer from the builder that made it, from the local one if that can send sooner, or else from any that has it; when it ends.
    /// </summary>
    private double Move(int job, int from, int to)
    {
        var earliest = now;
        var isGone = from < 0 || scheduler.StatusOf(from) == BuilderStatus.Lost;
        if (local >= 0 && local != to && from != local)
        {
            var home = scheduler.HasOutputs(job, local) ? now : arrivals.GetValueOrDefault((job, local), double.PositiveInfinity);
            if (double.IsFinite(home) && (isGone || Math.Max(home, uplinkFree[local]) < uplinkFree[from]))
            {
                (from, earliest, isGone) = (local, Math.Max(now, home), false);
            }
        }
        if (isGone) from = HolderOf(job);
        if (from < 0) return now;
        var source = farm[from].UploadBandwidth;
        var target = farm[to].DownloadBandwidth;
        var bandwidth = Math.Min(source, target);
        if (double.IsInfinity(bandwidth)) return earliest;
        bytesMoved += outputBytes[job];
        if (!double.IsInfinity(source)) earliest = Math.Max(earliest, uplinkFree[from]);
        if (!double.IsInfinity(target)) earliest = Math.Max(earliest, downlinkFree[to]);
        var end = earliest + outputBytes[job] / bandwidth;
        uplinkFree[from] = Math.Max(uplinkFree[from], end);
        downlinkFree[to] = Math.Max(downlinkFree[to], end);
        return end;
    }

    private int HolderOf(int job)
    {
        for (var builder = 0; builder < farm.Count; builder++)
        {
            if (scheduler.HasOutputs(job, builder)) return builder;
        }
        return -1;
    }

    private void Happen(Happening happening)
    {
        var (job, builder) = (happening.Job, happening.Builder);
        switch (happening.Kind)
        {
            case HappeningKind.InputsArrived:
                if (scheduler.StatusOf(builder) != BuilderStatus.Lost)
                {
                    scheduler.Apply(new SchedulingEvent.InputsArrived(now, job, builder));
                }
                break;
            case HappeningKind.Started when IsCurrent(happening):
                scheduler.Apply(new SchedulingEvent.JobStarted(now, job, builder));
                var alone = TrueSeconds(job, builder, happening.Attempt!.Cores);
                if (sharing?.MayShare(job, builder) == true) BeginShared(job, builder, happening.Attempt, alone);
                else Expect(happening with { Kind = HappeningKind.Ended }, now + alone);
                foreach (var killed in memory?.Begin(job, builder) ?? []) Kill(killed, builder);
                break;
            case HappeningKind.Ended when IsCurrent(happening):
                Ended(happening);
                break;
            case HappeningKind.Returned when IsCurrent(happening):
                Finish(happening);
                break;
            case HappeningKind.OutputsArrived:
                if (scheduler.StateOf(job) == JobState.Done && scheduler.StatusOf(builder) != BuilderStatus.Lost)
                {
                    scheduler.Apply(new SchedulingEvent.OutputsArrived(now, job, builder));
                }
                break;
            case HappeningKind.Disturbance:
                Disturb(happening.Disturbance!);
                break;
        }
    }

    private bool IsCurrent(Happening happening) =>
        attempts.TryGetValue((happening.Job, happening.Builder), out var current) && ReferenceEquals(current, happening.Attempt)
            && scheduler.Runs(happening.Job, happening.Builder);

    private double TrueSeconds(int job, int builder, int cores)
    {
        var fixedCores = seconds[job] / farm[builder].SpeedOf(scheduler.Graph[job].System);
        return scheduler.Options.Moldable
            ? fixedCores * Estimate.CoreFactor(
                scheduler.Graph[job].EnableParallelBuilding, cores, serialParts?[job] ?? Estimate.TypicalSerialPart)
            : fixedCores;
    }

    private void Ended(Happening happening)
    {
        var (job, builder, attempt) = (happening.Job, happening.Builder, happening.Attempt!);
        Leave(job, builder);
        if (options.Failure?.Invoke(job, builder) is { } failure)
        {
            attempts.Remove((job, builder));
            scheduler.Apply(new SchedulingEvent.JobFailed(now, job, builder, failure));
            return;
        }
        attempt.End = now;
        var home = now;
        if (local >= 0 && builder != local && scheduler.StatusOf(local) != BuilderStatus.Lost)
        {
            home = Move(job, builder, local);
            arrivals[(job, local)] = home;
            Expect(new Happening(HappeningKind.OutputsArrived, job, local), home);
        }
        if (scheduler.Options.Policy == SchedulingRule.StockNix && home > now)
        {
            // Stock Nix holds the slot until the outputs are home.
            Expect(happening with { Kind = HappeningKind.Returned }, home);
            return;
        }
        Finish(happening);
    }

    private void Finish(Happening happening)
    {
        var (job, builder, attempt) = (happening.Job, happening.Builder, happening.Attempt!);
        attempts.Remove((job, builder));
        schedule.Add(new ScheduledJob(job, builder, attempt.Begin, attempt.End, attempt.Cores));
        var finished = new SchedulingEvent.JobFinished(now, job, builder, outputBytes[job]);
        scheduler.Apply(finished);
        if (options.Estimates is not { } estimates) return;
        foreach (
            var learnt in estimates.Learn(
                finished, scheduler.DescriptionOf(builder), attempt.End - attempt.Begin, attempt.Cores, Observed(job, attempt)))
        {
            scheduler.Apply(learnt);
        }
    }

    private void Disturb(SchedulingEvent disturbance)
    {
        var lost = disturbance is SchedulingEvent.BuilderLost l ? scheduler.OutputsOnlyOn(l.Builder) : [];
        scheduler.Apply(disturbance);
        switch (disturbance)
        {
            case SchedulingEvent.BuilderLost e:
                foreach (var key in attempts.Keys.Where(k => k.Builder == e.Builder).ToArray()) Drop(key);
                foreach (var key in arrivals.Keys.Where(k => k.Builder == e.Builder).ToArray()) arrivals.Remove(key);
                foreach (var job in lost)
                {
                    scheduler.Apply(new SchedulingEvent.OutputsLost(now, job));
                    schedule.RemoveAll(s => s.Job == job);
                    foreach (var key in arrivals.Keys.Where(k => k.Job == job).ToArray()) arrivals.Remove(key);
                }
                break;
            case SchedulingEvent.WorkAdded:
                joining--;
                break;
            case SchedulingEvent.WorkWithdrawn:
                foreach (var key in attempts.Keys.Where(k => !scheduler.Runs(k.Job, k.Builder)).ToArray()) Drop(key);
                break;
            case SchedulingEvent.BuilderChanged e:
                farm[e.Builder] = e.Description;
                break;
            case SchedulingEvent.BuilderJoined e:
                var index = scheduler.Builders.ToList().FindIndex(b => b.Name == e.Description.Name);
                if (index < farm.Count)
                {
                    farm[index] = e.Description;
                    break;
                }
                farm.Add(e.Description);
                uplinkFree.Add(now);
                downlinkFree.Add(now);
                break;
        }
    }

    private void Drop((int Job, int Builder) attempt)
    {
        attempts.Remove(attempt);
        sharing?.Remove(attempt.Job, attempt.Builder);
        Leave(attempt.Job, attempt.Builder);
    }

    /// <summary>A build ends: what was killed there and can be built nowhere else has another try.</summary>
    private void Leave(int job, int builder)
    {
        if (memory is null) return;
        memory.End(job, builder);
        foreach (var other in memory.TakeStalled(builder).Where(other => scheduler.Runs(other, builder)))
        {
            scheduler.Apply(new SchedulingEvent.JobFailed(now, other, builder, FailureKind.Retry));
        }
    }

    /// <summary>
    /// The memory of a machine has run out. Ours learns of that as a run does; the rules of others have another machine try, or, where none
    /// is left, the same one later.
    /// </summary>
    private void Kill(int job, int builder)
    {
        attempts.Remove((job, builder));
        sharing?.Remove(job, builder);
        if (scheduler.Heuristic.CountsMemory)
        {
            foreach (var happened in MemoryShortage.After(scheduler, job, builder, now)) scheduler.Apply(happened);
            return;
        }
        var reasons = scheduler.WhyNot(job);
        int[] able = [.. Enumerable.Range(0, farm.Count).Where(b => reasons[b] is null && !(peaks![job] > farm[b].Memory))];
        var isOnlyHere = able is [var only] && only == builder;
        if (isOnlyHere && memory!.IsBusy(builder))
        {
            memory.Stall(job, builder);
            return;
        }
        var kind = able.Length == 0 ? FailureKind.Permanent : isOnlyHere ? FailureKind.Retry : FailureKind.RetryElsewhere;
        scheduler.Apply(new SchedulingEvent.JobFailed(now, job, builder, kind));
    }

    /// <summary>What the end of a shared build tells of its compiles; null where it was not shared.</summary>
    private CompileObservation? Observed(int job, Attempt attempt)
    {
        if (attempt.Alone <= 0 || compiles is null) return null;
        var all = compiles[job].Share * attempt.Alone * attempt.Cores;
        var count = Math.Max(1, (int)(all / Math.Max(0.01, compiles[job].Seconds)));
        var saved = Math.Max(0, attempt.Alone - (attempt.End - attempt.Begin));
        return new CompileObservation(count, (int)Math.Min(count, count * saved * attempt.Cores / Math.Max(0.01, all)), all, saved);
    }

    private sealed class Attempt(int cores, double begin)
    {
        public int Cores => cores;

        public double Begin => begin;

        public double End { get; set; }

        /// <summary>Seconds that it would have taken without help; 0: it was not shared.</summary>
        public double Alone { get; set; }
    }

    private sealed record Happening(HappeningKind Kind, int Job, int Builder, Attempt? Attempt = null, SchedulingEvent? Disturbance = null);
}
