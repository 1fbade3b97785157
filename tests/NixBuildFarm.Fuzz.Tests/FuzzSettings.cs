using System.Globalization;

namespace NixBuildFarm.Fuzz.Tests;

/// <summary>What <c>./build.sh fuzz</c> wants.</summary>
internal static class FuzzSettings
{
    /// <summary>Of the random numbers; the same without it.</summary>
    public static int Seed => Setting("SEED") ?? 1;

    /// <summary>How long each target is fed; null: a fixed number of inputs.</summary>
    public static int? Seconds => Setting("SECONDS");

    private static int? Setting(string name) =>
        Environment.GetEnvironmentVariable("NIXBUILDFARM_FUZZ_" + name) is { Length: > 0 } value
            ? int.Parse(value, CultureInfo.InvariantCulture)
            : null;
}
