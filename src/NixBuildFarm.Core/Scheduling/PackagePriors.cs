using System.Text.RegularExpressions;
using NixBuildFarm.Scheduling.Lending;

namespace NixBuildFarm.Scheduling;

/// <summary>
/// What can be guessed of a build that nobody has seen. The few hundred packages that take nearly all the time are in a table of measured
/// facts (<c>package-priors.txt</c>, from the T2 SDE project); the rest is told by its kind. Memory is added by <see cref="MemoryPriors"/>.
/// </summary>
internal static partial class PackagePriors
{
    /// <summary>
    /// Seconds at speed 1.0 for 100 units of the table (binutils on four cores), and what configuring and unpacking adds.
    /// </summary>
    private const double SecondsPerUnit = 0.29, FixedSeconds = 2;

    private static readonly PackageTable Work = new("package-priors.txt", figures: 1);

    /// <summary>The package of a job across versions: <c>pname</c>, else the name up to its version.</summary>
    public static string KeyOf(Job job) => job.PackageName ?? Version().Replace(job.Name, "", 1);

    /// <summary>A guess from name and kind alone.</summary>
    public static Estimate For(Job job) =>
        (IsDownload(job) ? Download(job)
            : IsTrivial(job) ? new(0.7, 0.7, 100_000)
            : MemoryPriors.AddTo(DurationOf(job), job))
            with { Compiles = CompilePriors.For(job) };

    private static Estimate DurationOf(Job job) =>
        Work.Find(KeyOf(job)) is [var units] ? new(units * SecondsPerUnit + FixedSeconds, 0.4, (long)(units * 100_000) + 2_000_000)
        : PackageTable.IsOfOtherLanguage(KeyOf(job)) ? new(4, 0.8, 1_000_000)
        : Unnamed(job);

    /// <summary>A guess from the kind of job alone, as if the table and all names were unknown.</summary>
    public static Estimate WithoutNames(Job job) =>
        (IsDownload(job) || job.PreferLocal ? new(1, 0.7, 1_000_000) : MemoryPriors.AddByKind(Unnamed(job), job))
            with { Compiles = CompilePriors.WithoutNames(job) };

    /// <summary>
    /// What the attributes tell, by the packages of nixpkgs that are in the table: <c>big-parallel</c> is asked for by the largest
    /// (geometric mean of the durations 1,150 s, deviation of their logarithm 0.6), <c>enableParallelBuilding</c> is set where it is worth
    /// it (14 s, 1.4), and the others are small (5.5 s, 1.2).
    /// </summary>
    private static Estimate Unnamed(Job job) =>
        job.RequiredFeatures.Contains("big-parallel") ? new(1100, 0.7, 100_000_000)
        : job.EnableParallelBuilding ? new(12, 1.4, 5_000_000)
        : new(5, 1.1, 3_000_000);

    private static bool IsDownload(Job job) => job.IsFixedOutput || job.IsBuiltin;

    private static Estimate Download(Job job) =>
        job.Name.EndsWith("-vendor", StringComparison.Ordinal) ? new(8, 0.7, 50_000_000) : new(1, 0.5, 1_000_000);

    private static bool IsTrivial(Job job) => job.PreferLocal || TrivialName().IsMatch(job.Name) || TrivialName().IsMatch(KeyOf(job));

    // Of the clock on the wall: a busy machine may keep a thread waiting for seconds.
    private const int TimeLimit = 60_000;

    [GeneratedRegex(@"-[0-9].*$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, TimeLimit)]
    private static partial Regex Version();

    [GeneratedRegex(@"(\.(patch|diff|sh|conf|service|json|toml|xml|txt|pl|py|el|tar|tgz|zip|gz|xz|bz2)|-(wrapper|hook|src|source|env|config|setup|script|scripts|man|manpages|stdenv|stdenv-linux|vendor|fmt|headers))$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, TimeLimit)]
    private static partial Regex TrivialName();
}
