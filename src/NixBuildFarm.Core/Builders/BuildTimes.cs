using System.Globalization;
using System.Runtime.InteropServices;
using NixBuildFarm.Store;

namespace NixBuildFarm.Builders;

/// <summary>
/// How long builds took by the logs that Nix keeps of them on a machine: from the birth of the file to its last change. A file system
/// without birth times tells nothing.
/// </summary>
internal static class BuildTimes
{
    /// <summary>
    /// The script that lists the newest logs, for a POSIX shell: constant, without single quotes and backslashes. GNU's <c>stat</c> tells
    /// parts of seconds, that of busybox whole ones, that of macOS and the BSDs has other options. What a shell calls from
    /// <c>nice</c> gives way to builds.
    /// </summary>
    public const string Question =
        BuilderMachine.FindPrograms + "LC_ALL=C; export PATH LC_ALL; exec 2>/dev/null; "
        + "cd /nix/var/log/nix/drvs || exit 0; "
        + "if stat -c %.2W / | grep -q \"^[0-9]*[.]\"; then set -- -c \"%.2W %.2Y %n\"; "
        + "elif stat -c %W / > /dev/null; then set -- -c \"%W %Y %n\"; else set -- -f \"%B %m %N\"; fi; "
        + "nice find . -type f -name \"*.drv*\" -exec stat \"$@\" {} + | sort -k 2 -n -r | head -n 4000; exit 0";

    /// <summary>Lines beyond these are left out.</summary>
    public const int MostBuilds = 4000;

    /// <summary>
    /// A log whose derivation was built before, or that was copied, has an older birth: what took longer than this was not one build.
    /// </summary>
    private const double LongestSeconds = 48 * 3600;

    /// <summary>Shorter builds tell little, and there are many of them.</summary>
    private const double ShortestSeconds = 1;

    /// <summary>Times outside of these, in seconds since 1970, are none: 2003 and 2100.</summary>
    private const double Earliest = 1.04e9, Latest = 4.1e9;

    /// <summary>Reads an answer; a builder is not trusted, and lines that are not of it are passed over.</summary>
    public static IReadOnlyList<BuildTime> Parse(string answer)
    {
        var builds = new List<BuildTime>();
        foreach (var line in answer.Split('\n'))
        {
            if (builds.Count == MostBuilds) break;
            if (Read(line) is { } build) builds.Add(build);
        }
        return builds;
    }

    private static BuildTime? Read(string line)
    {
        if (line.TrimEnd('\r').Split(' ') is not [var birth, var change, var file]) return null;
        if (Time(birth) is not { } begun || Time(change) is not { } ended) return null;
        if (!(ended - begun is >= ShortestSeconds and <= LongestSeconds)) return null;
        // Nix has the log of HASH-NAME.drv in HA/SH-NAME.drv, and .bz2 behind it where it is compressed.
        if (file.Split('/') is not [".", { Length: 2 } folder, var rest]) return null;
        var name = folder + (rest.EndsWith(".bz2", StringComparison.Ordinal) ? rest[..^".bz2".Length] : rest);
        if (!StorePath.TryParse("/nix/store/" + name, out var path) || !path.IsDerivation) return null;
        return new(path, ended - begun, DateTimeOffset.UnixEpoch.AddSeconds(ended));
    }

    private static double? Time(string text) =>
        double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var seconds)
            && seconds is > Earliest and < Latest
            ? seconds
            : null;
}

/// <summary>A build that a machine has a log of.</summary>
/// <param name="Derivation">Its derivation.</param>
/// <param name="Seconds">How long it took.</param>
/// <param name="Ended">When it ended.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct BuildTime(StorePath Derivation, double Seconds, DateTimeOffset Ended);
