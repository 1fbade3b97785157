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
    /// The experimental feature that a Nix has switched off, and for which it refuses a derivation; null: it refuses it for another reason.
    /// What a build has printed, which may stand in the message too, does not count.
    /// </summary>
    public static string? SwitchedOff(string refusal) =>
        FeatureRefusal().Match(refusal) is { Success: true } match ? match.Groups["feature"].Value : null;

    /// <inheritdoc cref="SwitchedOff(string)"/>
    public static string? SwitchedOff(BuildResult result) =>
        result.Status is BuildStatus.MiscFailure or BuildStatus.InputRejected ? SwitchedOff(result.ErrorMessage) : null;

    /// <summary>Whether a derivation needs an experimental feature of Nix, as far as its outputs tell.</summary>
    public static bool Needs(Derivation derivation, string feature) => feature switch
    {
        "ca-derivations" => derivation.Outputs.Values.Any(output => output.Kind == DerivationOutputKind.FloatingContentAddressed),
        "dynamic-derivations" => derivation.Outputs.Values.Any(output => output.IsText),
        "impure-derivations" => derivation.IsImpure,
        _ => false,
    };

    /// <summary>
    /// Whether something failed for want of disk space, as the kernel says it or as Nix guesses (8 MiB free). Nix calls a build that failed
    /// so a TransientFailure. [src/libstore/unix/build/derivation-builder.cc of NixOS/nix]
    /// </summary>
    public static bool IsOutOfSpace(string reason) =>
        reason.Contains("No space left on device", StringComparison.OrdinalIgnoreCase)
        || reason.Contains("lack of free disk space", StringComparison.Ordinal);

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

    [GeneratedRegex(
        @"\A(error:\s*)?(error parsing derivation '[^']*':\s*(error:\s*)?)?experimental Nix feature '(?<feature>[a-z-]+)' is disabled",
        RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex FeatureRefusal();
}
