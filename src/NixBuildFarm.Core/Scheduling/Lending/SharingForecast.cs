namespace NixBuildFarm.Scheduling.Lending;

/// <summary>
/// How much sooner jobs are expected to end by the help of others. How many slots will idle follows from the work that is left and the time
/// that it will take at least; what is idle is divided among the builds that share.
/// </summary>
internal sealed class SharingForecast(SchedulingState state, SchedulerOptions options)
{
    private readonly LendingRules rules = new(state, options);
    private double idle = 1;
    private double idleAtBest = 1;

    /// <summary>Whether anything is shared.</summary>
    public bool IsOn => options.Share != ShareMode.Never;

    /// <summary>The same expectations, of a copy of the state.</summary>
    public SharingForecast Fork(SchedulingState copy, SchedulerOptions with) => new(copy, with) { idle = idle, idleAtBest = idleAtBest };

    /// <summary>Looks ahead as a decision begins.</summary>
    /// <param name="work">Reference seconds that are left.</param>
    /// <param name="horizon">Seconds until the run can be over.</param>
    public void Expect(double work, double horizon) => idle = Idle(work, horizon);

    /// <summary>Looks ahead for the ranks: the run is as long as its longest chain at least, with all help that there can be.</summary>
    /// <param name="ranks">By job: its rank if all that helps were idle.</param>
    public void ExpectAtBest(ReadOnlySpan<double> ranks)
    {
        var longest = 0.0;
        for (var job = 0; job < ranks.Length; job++)
        {
            if (state.IsUnsettled(job)) longest = Math.Max(longest, ranks[job]);
        }
        idleAtBest = Idle(state.RemainingWork.Sum(), Math.Max(longest, state.Groups.Scarce.LeastTime(state.RemainingWork)));
    }

    /// <summary>The duration of a job on a builder, as a part of what it is without help.</summary>
    public double FactorOf(int job, int builder, int cores)
    {
        if (!IsOn || !rules.MayBeHelped(job, builder)) return 1;
        // One that runs is counted among those that share already.
        var sharers = state.StateOf(job) == JobState.Running ? Math.Max(1, state.SharingCount) : state.SharingCount + 1;
        return FactorOf(job, builder, cores, idle / sharers);
    }

    /// <summary>The same on the fastest builder.</summary>
    public double LeastFactorOf(int job) => IsOn ? OnBestHome(job, idle) : 1;

    /// <summary>The same, by the outlook that the ranks have.</summary>
    public double RankFactorOf(int job) => IsOn ? OnBestHome(job, idleAtBest) : 1;

    private double OnBestHome(int job, double part)
    {
        var home = state.HelperPlaces.BestHome[state.Classes[job]];
        if (home < 0 || !rules.MayBeHelped(job, home)) return 1;
        var description = state.Builders[home].Description;
        return FactorOf(
            job,
            home,
            options.Moldable
                ? state.Graph[job].EnableParallelBuilding
                ? description.MostCores
                : 1
                : Math.Max(1, description.TotalCores / Math.Max(1, description.MaxJobs)),
            part);
    }

    private double FactorOf(int job, int home, int cores, double part)
    {
        var places = state.HelperPlaces.Of(state.Classes[job], home, cores, part);
        ref readonly var estimate = ref state.Estimates[job];
        return SharedDuration.Factor(
            estimate.Compiles, options.Moldable && state.Graph[job].EnableParallelBuilding, cores, places, estimate.SerialPart);
    }

    private double Idle(double work, double horizon) =>
        horizon > 0 ? Math.Clamp(1 - work / (state.Groups.TotalCapacity * horizon), 0, 1) : 1;
}
