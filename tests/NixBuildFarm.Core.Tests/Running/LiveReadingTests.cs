namespace NixBuildFarm.Core.Tests.Running;

/// <summary>Runs on machines that tell what they have while builds run.</summary>
public class LiveReadingTests
{
    private const string Machine = "cores 2\nmemory MemTotal: 1000 kB\n";

    [Fact]
    public async Task A_builder_whose_machine_is_short_of_memory_gets_no_further_build()
    {
        using var farm = new FakeFarm(FakeFarm.Fastest, "kana");
        var full = farm[FakeFarm.Fastest];
        (full.Machine, full.Live) = (Machine, () => "cores 2\nmemory MemTotal: 1000 kB MemAvailable: 1 kB");
        full.Builds(async build =>
        {
            await Until.TrueAsync(
                () => farm.Decisions.Contains("evil takes no new builds for now: only 0 MiB of its memory are available."), "it is held");
            return build.Succeed();
        });

        var results = await farm.BuildAsync(farm.Derivation("top", [farm.Derivation("bottom")]), null, FakeFarm.Fastest, "kana");

        Assert.Equal((FakeFarm.Fastest, "kana"), (results["bottom"].Builder, results["top"].Builder));
    }

    [Fact]
    public async Task A_builder_whose_machine_tells_nonsense_builds_as_ever()
    {
        using var farm = new FakeFarm("ruby");
        (farm["ruby"].Machine, farm["ruby"].Live) = (Machine, () => "I am a teapot.");
        farm["ruby"].Builds(async build =>
        {
            await Until.TrueAsync(
                () => farm.Decisions.Any(said => said.StartsWith("ruby does not tell what its machine has now", StringComparison.Ordinal)),
                "that is said");
            return build.Succeed();
        });

        var results = await farm.BuildAsync(farm.Derivation("top"), null, "ruby");

        Assert.True(results["top"].Success);
    }
}
