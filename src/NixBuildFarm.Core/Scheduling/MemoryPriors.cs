namespace NixBuildFarm.Scheduling;

/// <summary>
/// What can be guessed of the memory of a build that nobody has seen. The few packages that take very much are in a table of measured facts
/// (<c>memory-priors.txt</c>, from Spack's CI); the rest is told by its kind, by the same figures.
/// </summary>
internal static class MemoryPriors
{
    private const double Gigabyte = 1e9;

    /// <summary>The standard normal variable that nine of ten do not exceed.</summary>
    private const double NinetyPercent = 1.28;

    private static readonly PackageTable Table = new("memory-priors.txt", figures: 2);

    /// <summary>
    /// The 16 packages that take more than 15 minutes there: geometric mean 5.6 GB, deviation of its logarithm 1.08. Such ask for
    /// <c>big-parallel</c> in nixpkgs. The spread is half of it: a guess that keeps a build from a machine for good costs more than one
    /// that lets it be killed there once.
    /// </summary>
    private static readonly (double Gigabytes, double Spread) Big = (5.5, 0.5);

    /// <summary>
    /// The 59 others that are no Python: the median is 1.37 GB and nine of ten stay below 3.2 GB. Python packages, which need next to
    /// nothing, have 1.19 GB there, so the rest is the build's own: 0.2 GB and 2 GB. A median of twice the first is careful with what is
    /// common, and with this spread a board of one gigabyte still takes such a build.
    /// </summary>
    private static readonly (double Gigabytes, double Spread) Parallel = (0.4, 0.8);

    /// <summary>What that CI takes itself hides what such need. A compiler proper takes 0.1 to 0.5 GB.</summary>
    private static readonly (double Gigabytes, double Spread) Serial = (0.2, 0.8);

    /// <summary>Adds a guess from name and kind to an estimate.</summary>
    public static Estimate AddTo(Estimate estimate, Job job) =>
        Table.Find(PackagePriors.KeyOf(job)) is { } figures
            ? With(estimate, (figures[0], Math.Log(figures[1] / figures[0]) / NinetyPercent))
            : AddByKind(estimate, job);

    /// <summary>Adds a guess from the kind of job alone.</summary>
    public static Estimate AddByKind(Estimate estimate, Job job) => With(
        estimate,
        job.RequiredFeatures.Contains("big-parallel") ? Big
        : job.EnableParallelBuilding ? Parallel
        : Serial);

    private static Estimate With(Estimate estimate, (double Gigabytes, double Spread) memory) =>
        estimate with { Memory = (long)(memory.Gigabytes * Gigabyte), MemorySpread = memory.Spread };
}
