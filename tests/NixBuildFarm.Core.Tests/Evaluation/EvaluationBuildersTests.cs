using NixBuildFarm.Builders;
using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Evaluation;

namespace NixBuildFarm.Core.Tests.Evaluation;

/// <summary>The builders of a run are given to an evaluation in the words of Nix's own setting.</summary>
public class EvaluationBuildersTests
{
    [Fact]
    public void Each_builder_that_takes_builds_has_an_entry_with_a_whole_speed()
    {
        NixBuilder[] builders =
        [
            NixBuilder.LocalStore,
            Builder("ruby", 2.5, 2, new()),
            Builder("kana", 0.001, 1, new()),
            Builder("full", 1, 0, new()),
            Builder("drained", 1, 1, new() { Drain = true }),
            Builder("renamed", 1, 1, new() { System = ["a-linux", "b-linux"] }),
        ];

        Assert.Equal(
            "ssh-ng://ruby x86_64-linux - 2 250 ; ssh-ng://kana x86_64-linux - 1 1 ; ssh-ng://renamed a-linux,b-linux - 1 100",
            EvaluationBuilders.Setting(builders));
        Assert.Equal("", EvaluationBuilders.Setting([NixBuilder.LocalStore]));
    }

    private static NixBuilder Builder(string name, double speed, int jobs, BuilderPolicy policy) => new NixBuilder
    {
        Name = name, HostName = name, Uri = $"ssh-ng://{name}", Systems = ["x86_64-linux"], SpeedFactor = speed, MaxJobs = jobs,
        Source = "test",
    }.WithPolicy(policy);
}
