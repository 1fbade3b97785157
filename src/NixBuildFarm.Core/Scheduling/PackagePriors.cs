using System.Text.RegularExpressions;
using NixBuildFarm.Scheduling.Lending;

namespace NixBuildFarm.Scheduling;

/// <summary>
/// What can be guessed of a build that nobody has seen. The packages that take nearly all the time are in a table of measured facts
/// (<c>package-priors.txt</c>, which names its sources); the rest is told by its kind. Memory is added by <see cref="MemoryPriors"/>.
/// </summary>
/// <remarks>
/// The figures for what is not in the table are a least-squares fit of the logarithms for 488 packages that are in one of both sources and
/// in a graph of nixpkgs (core-all, hello, linux). On 382 packages of three other graphs (ekaos, firefox, nixos-minimal), none of which
/// the fit has seen, guesses by inputs are off by 0.75 (root mean square of the logarithm), and by 0.63 on the 83 that are in no graph of
/// the fit. By the attributes alone it is 0.87.
/// </remarks>
internal static partial class PackagePriors
{
    /// <summary>Bytes of output for each second of a package in the table.</summary>
    private const double BytesPerSecond = 345_000;

    private static readonly PackageTable Work = new("package-priors.txt", figures: 2);

    /// <summary>What each tool adds to the logarithm of the duration.</summary>
    private static readonly (BuildTools Tool, double Weight)[] Weights =
    [
        (BuildTools.Llvm, 1.65), (BuildTools.Fortran, 1.05), (BuildTools.Rust, 0.85), (BuildTools.Boost, 0.45), (BuildTools.CMake, 0.35),
        (BuildTools.Meson, -0.3),
    ];

    /// <summary>The package of a job across versions: <c>pname</c>, else the name up to its version.</summary>
    public static string KeyOf(Job job) => job.PackageName ?? NameOf(job.Name);

    /// <summary>A name up to its version: what a package is called where only the name of its derivation is known.</summary>
    public static string NameOf(string name) => Version().Replace(name, "", 1);

    /// <summary>
    /// All that the package of these jobs may be called: who knows no more than the name of a derivation knows nothing of its <c>pname</c>.
    /// </summary>
    public static IReadOnlySet<string> NamesOf(IEnumerable<Job> jobs)
    {
        var names = new HashSet<string>();
        foreach (var job in jobs)
        {
            names.Add(KeyOf(job));
            if (job.PackageName is not null) names.Add(NameOf(job.Name));
        }
        return names;
    }

    /// <summary>Whether a name is one of something small: a wrapper, a hook, a file.</summary>
    public static bool IsTrivialName(string name) => TrivialName().IsMatch(name);

    /// <summary>A guess from name, inputs and kind.</summary>
    public static Estimate For(Job job) => For(job, Shipped);

    /// <summary>The same by another table.</summary>
    /// <param name="job">The job.</param>
    /// <param name="table">By package: seconds, and their spread; null: it does not have the package.</param>
    public static Estimate For(Job job, Func<string, (double Seconds, double Spread)?> table) =>
        (IsDownload(job) ? Download(job)
            : IsTrivial(job) ? new(0.7, 0.7, 100_000)
            : MemoryPriors.AddTo(DurationOf(job, table), job))
            with { Compiles = CompilePriors.For(job) };

    /// <summary>Whether a job is a download or a helper that takes no time worth mention, by its name and kind.</summary>
    public static bool IsSmall(Job job) => IsDownload(job) || IsTrivial(job);

    private static (double Seconds, double Spread)? Shipped(string package) =>
        Work.Find(package) is [var seconds, var spread] ? (seconds, spread) : null;

    private static Estimate DurationOf(Job job, Func<string, (double Seconds, double Spread)?> table) =>
        table(KeyOf(job)) is var (seconds, spread)
            ? new(seconds, spread, (long)(seconds * BytesPerSecond)) { Kind = GuessKind.Table, Source = EstimateSource.Table }
            : job.Inputs is { } inputs && !IsBig(job) ? ByInputs(job, inputs)
            : PackageTable.IsOfOtherLanguage(KeyOf(job)) ? new(8, 0.8, 1_000_000) { Kind = GuessKind.Language }
            : Unnamed(job);

    /// <summary>A guess from the kind of job alone, as if the table and all names were unknown.</summary>
    public static Estimate WithoutNames(Job job) =>
        (IsDownload(job) || job.PreferLocal ? new(1, 0.7, 1_000_000) : MemoryPriors.AddByKind(Unnamed(job), job))
            with { Compiles = CompilePriors.WithoutNames(job) };

    /// <summary>
    /// What the attributes tell: <c>big-parallel</c> is asked for by the largest, <c>enableParallelBuilding</c> is set where it is worth
    /// it, and the others are small. Where names are unknown, wrappers and hooks are among the others. So these are not what packages
    /// take by both sources (840 s, deviation of the logarithm 0.74; 19 s, 1.1; 12 s, 0.9): with that, runs of which nothing is known
    /// end later.
    /// </summary>
    private static Estimate Unnamed(Job job) =>
        IsBig(job) ? new(1100, 0.7, 100_000_000) { Kind = GuessKind.Big }
        : job.EnableParallelBuilding ? new(12, 1.4, 5_000_000) { Kind = GuessKind.Parallel }
        : new(5, 1.1, 3_000_000) { Kind = GuessKind.Plain };

    /// <summary>What the inputs tell of a job that is not in the table.</summary>
    private static Estimate ByInputs(Job job, BuildInputs inputs)
    {
        var isOfLanguage = PackageTable.IsOfOtherLanguage(KeyOf(job));
        var log = 1.4 + 0.53 * Math.Log(1 + inputs.Packages);
        if (job.EnableParallelBuilding) log += 0.4;
        if (isOfLanguage) log -= 0.75;
        foreach (var (tool, weight) in Weights)
        {
            if (inputs.Tools.HasFlag(tool)) log += weight;
        }
        var seconds = Math.Exp(log);
        return isOfLanguage ? new(seconds, 0.7, 1_000_000) { Kind = GuessKind.Language }
            : job.EnableParallelBuilding ? new(seconds, 1, 5_000_000) { Kind = GuessKind.Parallel }
            : new(seconds, 0.65, 3_000_000) { Kind = GuessKind.Plain };
    }

    private static bool IsBig(Job job) => job.RequiredFeatures.Contains("big-parallel");

    private static bool IsDownload(Job job) => job.IsFixedOutput || job.IsBuiltin;

    private static Estimate Download(Job job) =>
        job.Name.EndsWith("-vendor", StringComparison.Ordinal) ? new(8, 0.7, 50_000_000) : new(1, 0.5, 1_000_000);

    private static bool IsTrivial(Job job) => job.PreferLocal || IsTrivialName(job.Name) || IsTrivialName(KeyOf(job));

    // Of the clock on the wall: a busy machine may keep a thread waiting for seconds.
    private const int TimeLimit = 60_000;

    [GeneratedRegex(@"-[0-9].*$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, TimeLimit)]
    private static partial Regex Version();

    [GeneratedRegex(@"(\.(patch|diff|sh|conf|service|json|toml|xml|txt|pl|py|el|tar|tgz|zip|gz|xz|bz2)|-(wrapper|hook|src|source|env|config|setup|script|scripts|man|manpages|stdenv|stdenv-linux|vendor|fmt|headers))$", RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, TimeLimit)]
    private static partial Regex TrivialName();
}
