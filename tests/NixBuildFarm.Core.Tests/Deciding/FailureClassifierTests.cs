using NixBuildFarm.Protocol;
using NixBuildFarm.Deciding;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Core.Tests.Deciding;

public class FailureClassifierTests
{
    [Theory]
    [InlineData(BuildStatus.PermanentFailure)]
    [InlineData(BuildStatus.InputRejected)]
    [InlineData(BuildStatus.OutputRejected)]
    [InlineData(BuildStatus.CachedFailure)]
    [InlineData(BuildStatus.TimedOut)]
    [InlineData(BuildStatus.DependencyFailed)]
    [InlineData(BuildStatus.LogLimitExceeded)]
    [InlineData(BuildStatus.NotDeterministic)]
    [InlineData(BuildStatus.NoSubstituters)]
    [InlineData((BuildStatus)99)]
    public void A_failure_of_the_derivation_is_permanent(BuildStatus status) =>
        Assert.Equal(FailureKind.Permanent, FailureClassifier.KindOf(new() { Status = status }));

    [Theory]
    [InlineData(BuildStatus.TransientFailure)]
    [InlineData(BuildStatus.MiscFailure)]
    public void A_failure_of_the_builder_is_retried_elsewhere(BuildStatus status) =>
        Assert.Equal(FailureKind.RetryElsewhere, FailureClassifier.KindOf(new() { Status = status }));

    [Theory]
    [InlineData(BuildStatus.PermanentFailure, "builder for 'x.drv' failed due to signal 9 (Killed)", true)]
    [InlineData(BuildStatus.PermanentFailure, "builder for 'x.drv' failed due to signal 11 (Segmentation fault)", false)]
    [InlineData(BuildStatus.PermanentFailure, "builder for 'x.drv' failed with exit code 1", false)]
    [InlineData(BuildStatus.TimedOut, "killed by signal 9", false)]
    public void Only_a_permanent_failure_by_signal_9_counts_as_killed(BuildStatus status, string message, bool isKilled) =>
        Assert.Equal(isKilled, FailureClassifier.WasKilled(new() { Status = status, ErrorMessage = message }));

    [Fact]
    public void The_explanation_names_the_memory_where_it_is_known()
    {
        Assert.EndsWith("when memory runs out; ruby has 16.8 GB.", FailureClassifier.Killing("ruby", 16_800_000_000), StringComparison.Ordinal);
        Assert.EndsWith("when memory runs out.", FailureClassifier.Killing("ruby", null), StringComparison.Ordinal);
    }
}
