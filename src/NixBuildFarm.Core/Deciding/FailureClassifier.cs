using System.Globalization;
using NixBuildFarm.Protocol;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Deciding;

/// <summary>Tells failures of a derivation, which are final, from those of a builder, after which another may try.</summary>
internal static class FailureClassifier
{
    /// <summary>What a failed build means for the derivation.</summary>
    public static FailureKind KindOf(BuildResult result) => result.Status switch
    {
        BuildStatus.TransientFailure or BuildStatus.MiscFailure => FailureKind.RetryElsewhere,
        _ => FailureKind.Permanent,
    };

    /// <summary>
    /// Whether the build was killed. The kernel does so when memory runs out; Nix calls it a failure of the builder program.
    /// </summary>
    public static bool WasKilled(BuildResult result) =>
        result.Status == BuildStatus.PermanentFailure && result.ErrorMessage.Contains("signal 9", StringComparison.Ordinal);

    /// <summary>What is known of a build that was killed.</summary>
    /// <param name="builder">Where it was.</param>
    /// <param name="memory">The memory of that machine, in bytes; null where that is not known.</param>
    public static string Killing(string builder, long? memory) => string.Create(
        CultureInfo.InvariantCulture,
        $"It was killed by signal 9 on {builder}. The kernel does that when memory runs "
            + $"out{(memory is { } bytes ? $"; {builder} has {bytes / 1e9:0.#} GB" : "")}.");
}
