using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Core.Tests.Scheduling;

public class LostOutputsTests
{
    /// <summary>A chain: 0 ← 1 ← 2 ← 3.</summary>
    private static readonly JobGraph Chain = new([Job("a"), Job("b", 0), Job("c", 1), Job("d", 2)]);

    [Fact]
    public void A_missing_output_that_nothing_needs_stays_missing() => Assert.Empty(LostOutputs.Of(Chain, _ => true, _ => false));

    [Fact]
    public void What_a_needed_job_is_made_of_is_needed_again_dependents_first() =>
        Assert.Equal([2, 1, 0], LostOutputs.Of(Chain, job => job < 3, job => job == 2));

    [Fact]
    public void An_output_that_is_there_ends_the_chain() =>
        Assert.Equal([2], LostOutputs.Of(Chain, job => job is 0 or 2, job => job == 2));

    private static Job Job(string name, params int[] dependencies) =>
        new() { Name = name, System = "x86_64-linux", Dependencies = dependencies };
}
