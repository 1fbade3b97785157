using System.Text;
using NixBuildFarm.Deciding;
using NixBuildFarm.Protocol;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Core.Tests.Deciding;

public class FailureClassifierTests
{
    [Theory]
    [InlineData((int)BuildStatus.PermanentFailure)]
    [InlineData((int)BuildStatus.InputRejected)]
    [InlineData((int)BuildStatus.OutputRejected)]
    [InlineData((int)BuildStatus.CachedFailure)]
    [InlineData((int)BuildStatus.TimedOut)]
    [InlineData((int)BuildStatus.DependencyFailed)]
    [InlineData((int)BuildStatus.LogLimitExceeded)]
    [InlineData((int)BuildStatus.NotDeterministic)]
    [InlineData((int)BuildStatus.NoSubstituters)]
    [InlineData(99)]
    public void A_failure_of_the_derivation_is_permanent(int status) =>
        Assert.Equal(FailureKind.Permanent, FailureClassifier.KindOf(new() { Status = (BuildStatus)status }));

    [Theory]
    [InlineData((int)BuildStatus.TransientFailure)]
    [InlineData((int)BuildStatus.MiscFailure)]
    public void A_failure_of_the_builder_is_retried_elsewhere(int status) =>
        Assert.Equal(FailureKind.RetryElsewhere, FailureClassifier.KindOf(new() { Status = (BuildStatus)status }));

    // As Nix 2.34.8 words them, and 2.32.
    [Theory]
    [InlineData(
        "Cannot build '/nix/store/…-x.drv'.\nReason: platform mismatch\nRequired system: 'riscv64-linux'\nCurrent system: "
            + "'x86_64-linux'")]
    [InlineData("Cannot build '/nix/store/…-x.drv'.\nReason: missing system features\nRequired features: {gem}\nAvailable features: {kvm}")]
    [InlineData(
        "Cannot build '/nix/store/…-x.drv'.\nReason: local builds are disabled (max-jobs = 0)\nHint: set 'max-jobs' to a non-zero value to "
            + "enable local builds, or configure remote builders via 'builders'")]
    [InlineData(
        "Cannot build '/nix/store/…-x.drv'.\nReason: required system or feature not available\nRequired system: 'riscv64-linux' with "
            + "features {}\nCurrent system: 'x86_64-linux' with features {kvm}")]
    public void A_builder_that_does_not_build_such_derivations_leaves_them_to_others(string message) =>
        Assert.Equal(
            FailureKind.RetryElsewhere,
            FailureClassifier.KindOf(new() { Status = BuildStatus.InputRejected, ErrorMessage = message }));

    [Theory]
    [InlineData("ca-derivations", "r:sha256", "", true)]
    [InlineData("ca-derivations", "text:sha256", "", true)]
    [InlineData("dynamic-derivations", "text:sha256", "", true)]
    [InlineData("dynamic-derivations", "r:sha256", "", false)]
    [InlineData("impure-derivations", "r:sha256", "impure", true)]
    [InlineData("impure-derivations", "r:sha256", "", false)]
    public void A_feature_that_is_switched_off_concerns_what_needs_it(string feature, string algorithm, string hash, bool concerns)
    {
        var reason = $"error: experimental Nix feature '{feature}' is disabled; add '--extra-experimental-features {feature}' to enable it";
        var derivation = Derivation.Parse(Encoding.UTF8.GetBytes(
            $"Derive([(\"out\",\"\",\"{algorithm}\",\"{hash}\")],[],[],\"x86_64-linux\",\"/bin/sh\",[],[])"));

        Assert.Equal(feature, FailureClassifier.SwitchedOff(reason));
        Assert.Equal(concerns, FailureClassifier.Needs(derivation, feature));
    }

    [Fact]
    public void A_derivation_that_Nix_finds_wrong_is_wrong_everywhere() =>
        Assert.Equal(
            FailureKind.Permanent,
            FailureClassifier.KindOf(new()
            {
                Status = BuildStatus.InputRejected,
                ErrorMessage = "'exportReferencesGraph' contains a non-store path '/etc'",
            }));

    [Theory]
    [InlineData((int)BuildStatus.PermanentFailure, "builder for 'x.drv' failed due to signal 9 (Killed)", true)]
    [InlineData((int)BuildStatus.PermanentFailure, "builder for 'x.drv' failed due to signal 11 (Segmentation fault)", false)]
    [InlineData((int)BuildStatus.PermanentFailure, "builder for 'x.drv' failed with exit code 1", false)]
    [InlineData((int)BuildStatus.PermanentFailure, "Cannot build 'x.drv'.\nReason: builder failed due to signal 9 (Killed).", true)]
    [InlineData(
        (int)BuildStatus.PermanentFailure,
        "builder for 'x.drv' failed with exit code 1;\nlast 1 log lines:\n> the test failed due to signal 9",
        false)]
    [InlineData((int)BuildStatus.TimedOut, "killed by signal 9", false)]
    public void Only_a_permanent_failure_by_signal_9_counts_as_killed(int status, string message, bool isKilled) =>
        Assert.Equal(isKilled, FailureClassifier.WasKilled(new() { Status = (BuildStatus)status, ErrorMessage = message }));

    [Fact]
    public void The_explanation_names_the_memory_where_it_is_known()
    {
        Assert.EndsWith(
            "when memory runs out; ruby has 16.8 GB.", FailureClassifier.Killing("ruby", 16_800_000_000), StringComparison.Ordinal);
        Assert.EndsWith("when memory runs out.", FailureClassifier.Killing("ruby", null), StringComparison.Ordinal);
    }
}
