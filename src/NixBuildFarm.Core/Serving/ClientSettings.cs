using System.Globalization;
using System.Text.Json.Serialization;
using NixBuildFarm.Work;

namespace NixBuildFarm.Serving;

/// <summary>What a client has set for its builds.</summary>
internal sealed record ClientSettings
{
    /// <summary>Whether builds that do not depend on a failed one go on.</summary>
    public bool KeepGoing { get; init; }

    /// <summary>Whether the folder of a failed build is to stay.</summary>
    public bool KeepFailed { get; init; }

    /// <summary>A build that prints nothing for this long is ended; null: no limit of the client's.</summary>
    public TimeSpan? MaxSilentTime { get; init; }

    /// <summary>A build that takes longer is ended; null: no limit of the client's.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>Cores of each build; null: the scheduler decides.</summary>
    public int? Cores { get; init; }

    /// <summary>What is set for each build.</summary>
    [JsonIgnore]
    public BuildLimits Limits => new(MaxSilentTime, Timeout, Cores) { KeepFailed = KeepFailed };

    /// <summary>The settings by name that anybody may give. [ClientSettings in src/libstore/daemon.cc of NixOS/nix]</summary>
    private static readonly HashSet<string> OfAnybody =
    [
        "timeout", "build-timeout", "max-silent-time", "build-poll-interval", "connect-timeout",
    ];

    /// <summary>Those of a client's settings that its user may give; the daemon ignores the others as well.</summary>
    public static Dictionary<string, string> Allowed(IReadOnlyDictionary<string, string> named) =>
        named.Where(setting => OfAnybody.Contains(setting.Key) || setting is { Key: "builders", Value: "" })
            .ToDictionary(setting => setting.Key, setting => setting.Value);

    /// <summary>Reads what a client sends with SetOptions.</summary>
    /// <param name="fixedFields">The settings with a place of their own, in the order of the protocol.</param>
    /// <param name="named">Those that have a name.</param>
    public static ClientSettings From(IReadOnlyList<ulong> fixedFields, IReadOnlyDictionary<string, string> named) => new()
    {
        KeepFailed = fixedFields[0] != 0,
        KeepGoing = fixedFields[1] != 0,
        MaxSilentTime = Seconds(fixedFields[5]),
        Cores = CoresOf(named.GetValueOrDefault("cores")),
        Timeout = Seconds(named.GetValueOrDefault("timeout") ?? named.GetValueOrDefault("build-timeout")),
    };

    // The fixed field of the cores always has a number, also where nobody chose it: the machine's own.
    private static int? CoresOf(string? text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var cores) && cores > 0 ? cores : null;

    private static TimeSpan? Seconds(string? text) =>
        ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds) ? Seconds(seconds) : null;

    private static TimeSpan? Seconds(ulong seconds) => seconds is > 0 and <= int.MaxValue ? TimeSpan.FromSeconds(seconds) : null;
}
