using System.Globalization;
using System.Text.RegularExpressions;
using NixBuildFarm.Protocol;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Deciding;

/// <summary>Tells failures of a derivation, which are final, from those of a builder, after which another may try.</summary>
internal static partial class FailureClassifier
{
    /// <summary>What a failed build means for the derivation.</summary>
    public static FailureKind KindOf(BuildResult result) => result.Status switch
    {
        BuildStatus.TransientFailure or BuildStatus.MiscFailure => FailureKind.RetryElsewhere,
        BuildStatus.InputRejected when MachineRefusal().IsMatch(result.ErrorMessage) => FailureKind.RetryElsewhere,
        _ => FailureKind.Permanent,
    };

    /// <summary>
    /// Whether a Nix does not know what a derivation asks for, so that none of its version builds it: text as an output (since 2.15), or a
    /// newer algorithm of hashes.
    /// </summary>
    public static bool IsUnknownToNix(string reason) => reason.Contains("unknown hash algorithm", StringComparison.Ordinal);

    /// <summary>
    /// Whether a Nix knows what a derivation asks for, and has it switched off: a path that follows from the contents, say.
    /// </summary>
    public static bool IsSwitchedOff(string reason) =>
        reason.Contains("experimental Nix feature", StringComparison.Ordinal) && reason.Contains("is disabled", StringComparison.Ordinal);

    /// <summary>Whether a derivation needs the feature that is switched off.</summary>
    public static bool NeedsSwitchedOff(string reason, Derivation derivation)
    {
        return derivation.Outputs.Values.Any(
            output => (Names("ca-derivations") && output.Kind == DerivationOutputKind.FloatingContentAddressed)
                || (Names("dynamic-derivations") && output.IsText)
                || (Names("impure-derivations") && output.Kind == DerivationOutputKind.Impure));

        bool Names(string feature) => reason.Contains($"'{feature}'", StringComparison.Ordinal);
    }

    /// <summary>
    /// Whether the build was killed. The kernel does so when memory runs out; Nix calls it a failure of the builder program.
    /// </summary>
    public static bool WasKilled(BuildResult result) =>
        result.Status == BuildStatus.PermanentFailure
        && FailureText.InOneLine(result.ErrorMessage).Contains("due to signal 9", StringComparison.Ordinal);

    /// <summary>What is known of a build that was killed.</summary>
    /// <param name="builder">Where it was.</param>
    /// <param name="memory">The memory of that machine, in bytes; null where that is not known.</param>
    public static string Killing(string builder, long? memory) => string.Create(
        CultureInfo.InvariantCulture,
        $"It was killed by signal 9 on {builder}. The kernel does that when memory runs "
            + $"out{(memory is { } bytes ? $"; {builder} has {bytes / 1e9:0.#} GB" : "")}.");

    // What a machine does not build, which says nothing of the derivation: it has another system, lacks a feature, or takes no builds. Nix
    // up to 2.31 calls it a MiscFailure, later ones an InputRejected. [src/libstore/build/derivation-building-goal.cc of NixOS/nix]
    [GeneratedRegex(
        "Reason: (local builds are disabled|platform mismatch|missing system features|required system or feature not available)"
            + "|primary store that isn't a local store",
        RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex MachineRefusal();
}
