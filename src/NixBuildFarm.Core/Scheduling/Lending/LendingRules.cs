namespace NixBuildFarm.Scheduling.Lending;

/// <summary>Who may help whom with compiles, how much, and who is better at it.</summary>
internal sealed class LendingRules(Scheduler scheduler)
{
    /// <summary>Seconds on its builder from which on a build is worth the preparations.</summary>
    private const double LeastSeconds = 60;

    /// <summary>More compiles at a time are told to Nix than there are places, since some of them only read files or wait.</summary>
    private const double Surplus = 1.25;

    /// <summary>Whatever the farm has: all that is no compile runs at home, and make starts as many of those.</summary>
    private const int MostCores = 64, MostTimesHome = 8;

    /// <summary>A builder is faster than another from this factor on, and far slower below that one.</summary>
    private const double Faster = 1.25, FarSlower = 0.25;

    /// <summary>Compiles that a builder can take for others: a slot's part of the cores for each free slot, where the cores are free.</summary>
    public static int Places(FarmBuilder builder, int freeSlots, int freeCores) =>
        Math.Max(0, Math.Min(freeSlots * Math.Max(1, builder.Cores / Math.Max(1, builder.MaxJobs)), freeCores));

    /// <summary>Whether a build is worth sharing there.</summary>
    public bool MayBeHelped(int job, int builder)
    {
        var (share, what) = (scheduler.Options.Share, scheduler.Graph[job]);
        if (share == ShareMode.Never || what.StaysLocal || what.IsFixedOutput || (share == ShareMode.Auto && !what.EnableParallelBuilding)) return false;
        if (!scheduler.DescriptionOf(builder).IsHelped) return false;
        var estimate = scheduler.EstimateOf(job);
        return share == ShareMode.Always || (estimate.Compiles.Share > 0 && estimate.Seconds / scheduler.SpeedOf(builder, job) >= LeastSeconds);
    }

    /// <summary>
    /// Whether a builder may do compiles of a job that another one builds: it takes jobs, helps, builds the system, and its policy lets it take
    /// such a job. A compile needs none of the features that the job asks for.
    /// </summary>
    public bool MayHelp(int job, int home, int helper)
    {
        if (helper == home || scheduler.StatusOf(helper) != BuilderStatus.Online) return false;
        var description = scheduler.DescriptionOf(helper);
        return description.Helps && (description.Entries.Count == 0 ? [description] : description.Entries).Any(entry => Takes(entry, scheduler.Graph[job]));
    }

    /// <summary>
    /// The cores to tell Nix for a build that is shared: room for its compiles at home and on all that may help, within what home can bear of
    /// links and other work that stays there.
    /// </summary>
    /// <param name="job">The job.</param>
    /// <param name="home">Its builder.</param>
    /// <param name="homePlaces">The cores that it has without sharing.</param>
    public int CoresToTell(int job, int home, int homePlaces)
    {
        var places = (double)homePlaces;
        for (var b = 0; b < scheduler.Builders.Count; b++)
        {
            if (MayHelp(job, home, b) && !IsFarSlower(job, b, home) && scheduler.DescriptionOf(b) is var helper) places += Places(helper, helper.MaxJobs, helper.TotalCores);
        }
        var most = Math.Min(MostCores, MostTimesHome * scheduler.DescriptionOf(home).MostCores);
        return Math.Max(homePlaces, Math.Min(most, (int)Math.Ceiling(places * Surplus)));
    }

    /// <summary>Whether a builder runs the system of a job without emulation.</summary>
    public bool IsNative(int job, int builder)
    {
        foreach (var system in scheduler.DescriptionOf(builder).Systems)
        {
            if (system.System == scheduler.Graph[job].System) return !system.IsEmulated;
        }
        return true;
    }

    /// <summary>Whether the first builder is so much faster for a job that its compiles go there though the second is free.</summary>
    public bool IsFaster(int job, int first, int second) =>
        IsNative(job, first) == IsNative(job, second) ? scheduler.SpeedOf(first, job) > Faster * scheduler.SpeedOf(second, job) : IsNative(job, first);

    /// <summary>Whether the first builder is so slow for a job that one compile there would hold the build up.</summary>
    public bool IsFarSlower(int job, int first, int second) =>
        (IsNative(job, second) && !IsNative(job, first)) || (IsNative(job, first) == IsNative(job, second) && scheduler.SpeedOf(first, job) < FarSlower * scheduler.SpeedOf(second, job));

    private static bool Takes(FarmBuilder entry, Job job) =>
        Eligibility.Of(job with { RequiredFeatures = [.. job.RequiredFeatures.Where(feature => entry.SupportedFeatures.Contains(feature) || entry.MandatoryFeatures.Contains(feature))] }, entry).IsEligible;
}
