using System.Globalization;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Bench;

/// <summary>
/// Build times of packages by two sources that know nothing of each other, in seconds on four cores: T2 SDE, of which the durations of the
/// real graphs are, and the book Beyond Linux From Scratch (<c>merged-priors.csv</c>).
/// </summary>
internal sealed class PackageTimes
{
    /// <summary>The machine on which 100 units of the first source take 29 s needs so long for one of the second.</summary>
    private const double SecondsPerStandardUnit = 122.9;

    /// <summary>How far each source is off the other, as a deviation of the logarithm.</summary>
    public const double Deviation = 0.65;

    /// <summary>Without a file both sources are empty.</summary>
    public PackageTimes(string? folder)
    {
        var rows = folder is null ? [] : File.ReadLines(Path.Combine(folder, "merged-priors.csv")).Skip(1).Select(line => line.Split(','));
        var known = rows.ToArray();
        First = Table(known.Where(row => row[1] != "").Select(row => (row[0], Number(row[3]))));
        Second = Table(known.Where(row => row[2] != "").Select(row => (row[0], Number(row[2]) * SecondsPerStandardUnit)));
    }

    public PackageTable First { get; }

    public PackageTable Second { get; }

    /// <summary>Seconds of a package by a source; null: it does not know it.</summary>
    public static double? Of(PackageTable source, Job job) => source.Find(PackagePriors.KeyOf(job)) is [var seconds] ? seconds : null;

    private static PackageTable Table(IEnumerable<(string Package, double Seconds)> rows) =>
        new(rows.Select(row => KeyValuePair.Create(row.Package, new[] { row.Seconds })));

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);
}
