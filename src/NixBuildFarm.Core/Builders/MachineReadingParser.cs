using System.Globalization;
using System.Text.RegularExpressions;
using NixBuildFarm.Store;

namespace NixBuildFarm.Builders;

/// <summary>
/// Reads answers to <see cref="MachineReading.Question"/>, and to <see cref="BuilderMachine.Question"/>, which asks for less. A builder is
/// not trusted: lines that are not of an answer, such as a greeting, are passed over, and what is out of its range is unknown.
/// </summary>
internal sealed partial class MachineReadingParser
{
    /// <summary>Builds beyond these are left out.</summary>
    public const int MostBuilds = 64;

    /// <summary>Ticks of processor time in a second, where the machine does not say.</summary>
    private const int UsualTicks = 100;

    private static readonly char[] Blanks = [' ', '\t', '\r', '{', '}'];

    private readonly List<(uint User, long Kilobytes, long Ticks, StorePath? Output)> builds = [];
    private readonly Dictionary<uint, string?> folders = [];
    private MachineReading reading = new();
    private int ticks = UsualTicks;

    /// <summary>Reads a whole answer.</summary>
    public static MachineReading Parse(string answer)
    {
        var parser = new MachineReadingParser();
        foreach (var line in answer.Split('\n')) parser.Take(line);
        return parser.reading with { Builds = [.. parser.builds.Select(parser.Build)] };
    }

    private void Take(string line)
    {
        var words = line.Split(Blanks, StringSplitOptions.RemoveEmptyEntries);
        reading = words switch
        {
            ["cores", var cores] => reading with { Cores = Number(cores, 1_000_000) is > 0 and var count ? (int)count : null },
            ["user", var id] => reading with { IsRoot = User(id) is { } user ? user == 0 : null },
            ["load", var load, ..] => reading with { Load = Fraction(load, 1e9) },
            // user, nice, system, idle, waiting for I/O, interrupts, soft interrupts; the rest is in these or another's.
            ["busy", "cpu", var user, var nice, var system, _, _, var hard, var soft, ..] => reading with
            {
                ProcessorTime = Sum(user, nice, system, hard, soft) is { } busy ? Time(busy) : null,
            },
            ["memory", "MemTotal:", var total, "kB", "MemAvailable:", var available, "kB"] =>
                reading with { Memory = Kilobytes(total), MemoryAvailable = Kilobytes(available) },
            ["memory", "MemTotal:", var total, "kB"] => reading with { Memory = Kilobytes(total) },
            ["memory", var bytes] => reading with { Memory = Number(bytes) },
            ["pages", _, ..] => reading with { MemoryAvailable = AvailableOfMac(line) },
            ["pressure", "cpu", "some", var share, ..] => reading with { CpuPressure = Percent(share) },
            ["pressure", "memory", "some", var share, ..] => reading with { MemoryPressure = Percent(share) },
            ["pressure", "io", "some", var share, ..] => reading with { IoPressure = Percent(share) },
            // A line of headings, then device, size, used, available, used in percent, where.
            ["store", .., var size, _, var free, var used, _] when used.EndsWith('%') =>
                reading with { StoreSize = Kilobytes(size), StoreFree = Kilobytes(free) },
            ["room", .., var size, _, var free, var used, _] when used.EndsWith('%') =>
                reading with { BuildSize = Kilobytes(size), BuildFree = Kilobytes(free) },
            _ => reading,
        };
        switch (words)
        {
            case ["ticks", var number] when Number(number, 1_000_000) is > 0 and var count: ticks = (int)count; break;
            case ["folder", _, _, var user, _, _, _, _, _, var path] when User(user) is { } owner && BuildFolder().Match(path) is
                { Success: true } match:
                // A user that has several folders tells nothing.
                folders[owner] = folders.ContainsKey(owner) ? null : match.Groups["name"].Value;
                break;
            case ["build", var user, var size, var time, ..] when builds.Count < MostBuilds && User(user) is { } owner
                && Number(size, long.MaxValue / 1024) is { } kilobytes && Number(time, long.MaxValue / UsualTicks) is { } count:
                builds.Add((owner, kilobytes, count, words.Length > 4 ? Output(words[4]) : null));
                break;
        }
    }

    private MachineBuild Build((uint User, long Kilobytes, long Ticks, StorePath? Output) build) => new()
    {
        Name = build.Output?.Name ?? folders.GetValueOrDefault(build.User),
        Output = build.Output?.ToString(),
        User = build.User,
        Memory = build.Kilobytes * 1024,
        ProcessorTime = Time(build.Ticks),
    };

    private TimeSpan Time(long count) =>
        TimeSpan.FromSeconds(Math.Min((double)count / ticks, TimeSpan.MaxValue.TotalSeconds / 2));

    private static long? Sum(params string[] numbers) =>
        numbers.Aggregate((long?)0, (sum, text) => sum + Number(text, long.MaxValue / 16));

    private static StorePath? Output(string word) =>
        word.StartsWith("out=", StringComparison.Ordinal) && StorePath.TryParse(word["out=".Length..], out var path) ? path : null;

    private static long? AvailableOfMac(string line)
    {
        var size = PageSize().Match(line);
        if (!size.Success || Number(size.Groups["bytes"].Value, 1 << 24) is not { } bytes) return null;
        long pages = 0;
        foreach (Match match in FreePages().Matches(line))
        {
            pages += Number(match.Groups["count"].Value, 1L << 36) ?? 0;
        }
        return pages > 0 ? pages * bytes : null;
    }

    private static uint? User(string text) => (uint?)Number(text, uint.MaxValue);

    private static long? Kilobytes(string text) => Number(text, long.MaxValue / 1024) * 1024;

    private static long? Number(string text, long most = long.MaxValue) =>
        long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number <= most ? number : null;

    private static double? Fraction(string text, double most) =>
        double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number) && number <= most
            ? number
            : null;

    private static double? Percent(string text) =>
        text.StartsWith("avg10=", StringComparison.Ordinal) ? Fraction(text["avg10=".Length..], 100) : null;

    [GeneratedRegex(
        "^/tmp/nix-build-(?<name>[A-Za-z0-9+._?=-]{1,211})[.]drv-[0-9]{1,9}$", RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex BuildFolder();

    // As vm_stat words it. What is inactive can be had at once.
    [GeneratedRegex("page size of (?<bytes>[0-9]{1,9}) bytes", RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex PageSize();

    [GeneratedRegex(
        "Pages (free|inactive|speculative): +(?<count>[0-9]{1,12})[.]", RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex FreePages();
}
