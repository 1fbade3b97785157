namespace NixBuildFarm.Scheduling.Lending;

/// <summary>Who may help whom with compiles, how much, and who is better at it.</summary>
internal sealed class LendingRules(SchedulingState state, SchedulerOptions options)
{
    /// <summary>Seconds on its builder from which on a build is worth the preparations.</summary>
    private const double LeastSeconds = 60;

    /// <summary>More compiles at a time are told to Nix than there are places, since some of them only read files or wait.</summary>
    private const double Surplus = 1.25;

    /// <summary>Whatever the farm has: all that is no compile runs at home, and make starts as many of those.</summary>
    private const int MostCores = 64, MostTimesHome = 8;

    /// <summary>Bytes of memory that home has for each of those: most wait in a shim, but some may be links of large programs.</summary>
    private const long MemoryEach = 512L << 20;

    /// <summary>A builder is faster than another from this factor on, and far slower below that one.</summary>
    private const double Faster = 1.25, FarSlower = 0.25;

    /// <summary>
    /// Compiles that a builder can take for others: a slot's part of the cores for each free slot, where the cores are free.
    /// </summary>
    public static int Places(FarmBuilder builder, int freeSlots, int freeCores) =>
        Math.Max(0, Math.Min(freeSlots * Math.Max(1, builder.Cores / Math.Max(1, builder.MaxJobs)), freeCores));

    /// <summary>Compiles that a builder can take when it is idle.</summary>
    public static int AllPlaces(FarmBuilder builder) => Places(builder, builder.MaxJobs, builder.TotalCores);

    /// <summary>Whether others may compile for a job at all: one that stays here or only fetches has nothing for them.</summary>
    public static bool CanBeShared(Job job) => !job.StaysLocal && !job.IsFixedOutput;

    /// <summary>Whether a build is worth sharing there.</summary>
    public bool MayBeHelped(int job, int builder)
    {
        if (options.Share == ShareMode.Never) return false;
        var what = state.Graph[job];
        // Whether it builds in parallel only tells where nothing was learnt: many packages leave that to the setup hooks of their tools.
        if (!CanBeShared(what) || !state.Builders[builder].Description.IsHelped) return false;
        var estimate = state.Estimates[job];
        return options.Share == ShareMode.Always
            || (estimate.Compiles.Share > 0 && estimate.Seconds / state.SpeedOf(builder, job) >= LeastSeconds);
    }

    /// <summary>
    /// Whether a builder may do compiles of a job that another one builds: it takes jobs, helps, builds the system, and its policy lets it
    /// take such a job. A compile needs none of the features that the job asks for.
    /// </summary>
    public bool MayHelp(int job, int home, int helper)
    {
        if (helper == home || state.Builders[helper].Status != BuilderStatus.Online) return false;
        return MayHelp(state.Graph[job], state.Builders[helper].Description);
    }

    /// <summary>Whether a builder that does not take part yet will be of use for a job that another one builds.</summary>
    public bool MayHelp(int job, int home, FarmBuilder expected)
    {
        var system = state.Graph[job].System;
        return MayHelp(state.Graph[job], expected)
            && !IsFarSlower((IsNative(expected, system), expected.SpeedOf(system)), (IsNative(job, home), state.SpeedOf(home, job)));
    }

    /// <summary>Whether a builder does compiles of such a job for others at all.</summary>
    public static bool MayHelp(Job job, FarmBuilder helper) =>
        helper.Helps && (helper.Entries.Count == 0 ? [helper] : helper.Entries).Any(entry => Takes(entry, job));

    /// <summary>
    /// The cores to tell Nix for a build that is shared: room for its compiles at home and on all that may help, within what home can bear
    /// of links and other work that stays there.
    /// </summary>
    /// <param name="job">The job.</param>
    /// <param name="home">Its builder.</param>
    /// <param name="homePlaces">The cores that it has without sharing.</param>
    /// <param name="expected">Those that may help and do not take part yet: a build cannot be told of more cores later.</param>
    public int CoresToTell(int job, int home, int homePlaces, params IEnumerable<FarmBuilder> expected)
    {
        var places = homePlaces + expected.Sum(AllPlaces);
        for (var b = 0; b < state.Builders.Length; b++)
        {
            if (MayHelp(job, home, b) && !IsFarSlower(job, b, home)) places += AllPlaces(state.Builders[b].Description);
        }
        return CoresToTell(state.Builders[home].Description, homePlaces, places);
    }

    /// <summary>The same where the places at home and of all helpers are known.</summary>
    public static int CoresToTell(FarmBuilder home, int homePlaces, int places) =>
        Math.Max(homePlaces, (int)Math.Min(MostAtHome(home), Math.Ceiling(places * Surplus)));

    /// <summary>Whether a builder runs the system of a job without emulation.</summary>
    public bool IsNative(int job, int builder) => IsNative(state.Builders[builder].Description, state.Graph[job].System);

    /// <summary>Whether a builder runs a system without emulation.</summary>
    public static bool IsNative(FarmBuilder builder, string system)
    {
        foreach (var known in builder.Systems)
        {
            if (known.System == system) return !known.IsEmulated;
        }
        return true;
    }

    /// <summary>Whether the first builder is so much faster for a job that its compiles go there though the second is free.</summary>
    public bool IsFaster(int job, int first, int second) =>
        IsNative(job, first) == IsNative(job, second)
            ? state.SpeedOf(first, job) > Faster * state.SpeedOf(second, job)
            : IsNative(job, first);

    /// <summary>Whether the first builder is so slow for a job that one compile there would hold the build up.</summary>
    public bool IsFarSlower(int job, int first, int second) =>
        IsFarSlower((IsNative(job, first), state.SpeedOf(first, job)), (IsNative(job, second), state.SpeedOf(second, job)));

    /// <summary>The same by what decides it.</summary>
    public static bool IsFarSlower((bool IsNative, double Speed) first, (bool IsNative, double Speed) second) =>
        first.IsNative == second.IsNative ? first.Speed < FarSlower * second.Speed : second.IsNative;

    private static long MostAtHome(FarmBuilder home) =>
        Math.Min(Math.Min(MostCores, MostTimesHome * home.MostCores), home.Memory / MemoryEach ?? MostCores);

    private static bool Takes(FarmBuilder entry, Job job) =>
        Eligibility.Of(
            job with
            {
                RequiredFeatures =
                [
                    .. job.RequiredFeatures.Where(
                        feature => entry.SupportedFeatures.Contains(feature) || entry.MandatoryFeatures.Contains(feature)),
                ],
            },
            entry)
            .IsEligible;
}
