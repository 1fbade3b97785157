using NixBuildFarm.Scheduling.Lending;

namespace NixBuildFarm.Scheduling.Placing;

/// <summary>
/// What all parts of the placement share: the state, the heuristic that is followed, and the outlook of the present decision.
/// </summary>
internal sealed class PlacingContext(SchedulingState state, SchedulerOptions options, Heuristic heuristic)
{
    /// <summary>A job is critical when its rank fills this part of the time that is left.</summary>
    public const double CriticalPart = 0.9;

    /// <summary>Decisions that depend on the time alone are at least so many seconds apart.</summary>
    public const double LeastDelay = 0.2;

    private double latestEnd;

    public SchedulingState State => state;

    public SchedulerOptions Options => options;

    /// <summary>What helpers are expected to bring.</summary>
    public SharingForecast Sharing { get; private init; } = new(state, options);

    public Heuristic Heuristic { get; set; } = heuristic;

    /// <summary>When the decision is taken.</summary>
    public double Now { get; private set; }

    /// <summary>The earliest end of the run.</summary>
    public double RunEnd { get; private set; }

    /// <summary>When the run should have ended, by the heuristic; infinite: it sets no deadline.</summary>
    public double Deadline { get; private set; } = double.PositiveInfinity;

    /// <summary>When a decision may change although nothing happens.</summary>
    public double? NextWakeup { get; private set; }

    /// <summary>Whether equal choices are made so that less needs to be sent. The rules of others know nothing of that.</summary>
    public bool SparesLinks => Heuristic is { Rule: PlacementRule.EarliestFinish, IsFifo: false };

    /// <summary>The same outlook on a copy of the state, with another heuristic.</summary>
    public PlacingContext Fork(SchedulingState copy, SchedulerOptions with, Heuristic other) =>
        new(copy, with, other) { latestEnd = latestEnd, Sharing = Sharing.Fork(copy, with) };

    /// <summary>Begins a decision: estimates the end of the run from what is ready, what has started and the work that is left.</summary>
    public void Begin(double now)
    {
        NextWakeup = state.UpdateOut(now);
        var work = 0.0;
        foreach (var seconds in state.RemainingWork) work += seconds;
        for (var q = 0; q < state.Queues.Count; q++)
        {
            if (state.Queues[q].Count > 0) latestEnd = Math.Max(latestEnd, now + state.Order.Key[state.Queues[q].First]);
        }
        var scarce = state.Groups.Scarce;
        var horizon = Math.Max(latestEnd - now, Math.Max(work / state.Groups.TotalCapacity, scarce.LeastTime(state.RemainingWork)));
        scarce.ComputeShares(state.RemainingWork, Heuristic.Reserve > 0 ? horizon * Heuristic.Reserve : double.PositiveInfinity);
        (Now, RunEnd) = (now, now + horizon);
        if (Sharing.IsOn) Sharing.Expect(work, horizon);
        Deadline = Heuristic.Deadline > 0 ? now + horizon * Heuristic.Deadline : double.PositiveInfinity;
    }

    /// <summary>Asks for another decision at a time, unless one comes earlier.</summary>
    public void WakeUpAt(double time)
    {
        if (time < double.PositiveInfinity && !(NextWakeup <= time)) NextWakeup = time;
    }

    /// <summary>Seconds of the job on the best builder with all its cores.</summary>
    public double LeastSeconds(int job) =>
        state.Estimates[job].Seconds * CoreFactor(job, state.BestCoresFor(job)) * Sharing.LeastFactorOf(job) / state.BestSpeedOf(job)
            + options.StartOverhead;

    /// <summary>Seconds that pass at least after the job, until all that waits for it is done.</summary>
    public double TailOf(int job) => Math.Max(0, state.Order.Key[job] - LeastSeconds(job));

    /// <summary>How cores change the duration of a job.</summary>
    public double CoreFactor(int job, int cores) =>
        state.Estimates[job].FactorOf(options.Moldable && state.Graph[job].EnableParallelBuilding, cores);

    /// <summary>How cores and helpers change the duration of a job.</summary>
    public double Factor(int job, int b, int cores) => CoreFactor(job, cores) * Sharing.FactorOf(job, b, cores);

    /// <summary>The cores that a job gets where it starts now.</summary>
    public int CoresFor(int job, int b)
    {
        var builder = state.Builders[b];
        if (!options.Moldable) return Math.Max(1, builder.Description.TotalCores / Math.Max(1, builder.MaxJobs));
        if (!state.Graph[job].EnableParallelBuilding) return 1;
        // A busy builder gives what it gives on average; a free one shares its free cores among the jobs that may come now.
        if (builder.FreeSlots == 0) return Math.Max(1, builder.Description.TotalCores / builder.MaxJobs);
        var sharers = state.IsTooLargeFor(b, job) ? 1 : Math.Clamp(state.ReadyCount, 1, builder.FreeSlots);
        var most = Math.Clamp(builder.FreeCores - (sharers - 1), 1, builder.Description.MostCores);
        // On the critical path every second counts: the others make do with one core each.
        var isCritical = state.Order.Key[job] >= CriticalPart * (RunEnd - Now);
        return isCritical ? most : Math.Clamp(builder.FreeCores / sharers, 1, most);
    }
}
