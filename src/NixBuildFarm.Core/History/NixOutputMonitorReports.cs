using System.Globalization;
using NixBuildFarm.Platform;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Store;

namespace NixBuildFarm.History;

/// <summary>
/// The build reports that nix-output-monitor keeps: a table of comma-separated values with the columns <c>hostname</c> (empty: this
/// machine), <c>derivation name</c> (without its version), <c>utc time</c> and <c>build seconds</c>.
/// </summary>
internal static class NixOutputMonitorReports
{
    /// <summary>More lines than these are not read: it keeps ten of each package and machine.</summary>
    public const int MostLines = 200_000;

    private const string Header = "hostname,derivation name,utc time,build seconds";

    /// <summary>Of three months, no build takes longer; and one that took no second was none.</summary>
    private const int LongestSeconds = 8_000_000;

    /// <summary>Where it keeps them: <c>$XDG_STATE_HOME/nix-output-monitor/build-reports.csv</c>.</summary>
    /// <exception cref="NixBuildFarm.Errors.NixBuildFarmException">The user has no home folder.</exception>
    public static string DefaultFile =>
        Path.Combine(Path.GetDirectoryName(StateFolder.Path)!, "nix-output-monitor", "build-reports.csv");

    /// <summary>Whether a text begins as such a table does.</summary>
    public static bool IsOne(string text) => text.StartsWith(Header, StringComparison.Ordinal);

    /// <summary>Reads the reports. Lines that are none are passed over.</summary>
    /// <param name="lines">The table.</param>
    /// <param name="machines">What the machines build for.</param>
    /// <param name="now">The time of day: what ended more than a day later is none.</param>
    public static IReadOnlyList<BuildObservation> Read(IEnumerable<string> lines, MachineSystems machines, DateTimeOffset now)
    {
        var builds = new List<BuildObservation>();
        foreach (var line in lines.Take(MostLines))
        {
            // No field of it needs quotes.
            if (line.TrimEnd('\r').Split(',') is not [var host, var package, var time, var duration]) continue;
            if (package.Length is 0 or > StorePath.MaxNameLength) continue;
            if (!int.TryParse(duration, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)) continue;
            if (seconds is 0 or > LongestSeconds || !package.All(IsOfName) || !host.All(IsOfHost)) continue;
            if (!DateTimeOffset.TryParseExact(
                time, "yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var ended)
                || ended > now.AddDays(1))
            {
                continue;
            }
            if (machines.Of(host) is not var (builder, system, speedFactor)) continue;
            builds.Add(new()
            {
                Package = package,
                System = system,
                Builder = builder,
                Seconds = seconds,
                SpeedFactor = speedFactor,
                At = ended,
                Source = EstimateSource.NixOutputMonitor,
                Origin = time,
            });
        }
        return builds;
    }

    private static bool IsOfName(char letter) => char.IsAsciiLetterOrDigit(letter) || "+-._?=".Contains(letter, StringComparison.Ordinal);

    private static bool IsOfHost(char letter) => letter is > ' ' and <= '~';
}
