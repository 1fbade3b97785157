using NixBuildFarm.Protocol;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Running;

/// <summary>Tells failures of a derivation, which are final, from those of a builder, after which another may try.</summary>
internal static class Recovery
{
    /// <summary>What a failed build means for the derivation.</summary>
    public static FailureKind KindOf(BuildResult result) => result.Status switch
    {
        BuildStatus.TransientFailure or BuildStatus.MiscFailure => FailureKind.RetryElsewhere,
        // The kernel ends a build so when memory runs out; Nix calls it a failure of the builder program.
        BuildStatus.PermanentFailure when result.ErrorMessage.Contains("signal 9", StringComparison.Ordinal) => FailureKind.RetryElsewhere,
        _ => FailureKind.Permanent,
    };
}
