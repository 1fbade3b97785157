using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Errors;
using NixBuildFarm.History;

namespace NixBuildFarm.Core.Tests.Running;

/// <summary>A builder that cannot be reached or is lost costs its running builds, and takes part again when it is back.</summary>
public sealed class LostBuilderTests : IDisposable
{
    private readonly FakeFarm farm = new("ruby", "kana");

    public void Dispose() => farm.Dispose();

    [Fact]
    public async Task A_machine_that_is_lost_in_the_middle_costs_its_running_builds_and_what_only_it_had()
    {
        // Ruby alone can build the bottom's first half, and breaks when it is given the second.
        var firsts = Enumerable.Range(0, 4).Select(i => farm.Derivation($"first{i}")).ToArray();
        farm["ruby"].Builds(build =>
        {
            if (!build.Path.Name.StartsWith("second", StringComparison.Ordinal)) return Task.FromResult(build.Succeed());
            farm["ruby"].Break();
            return Task.FromResult(build.Succeed());
        });
        var seconds = Enumerable.Range(0, 8).Select(i => farm.Derivation($"second{i}", firsts)).ToArray();

        var results = await farm.BuildAsync(
            farm.Derivation("top", seconds), request => request with { CopyBack = CopyBack.Requested }, "ruby", "kana");

        Assert.All(results.Values, result => Assert.True(result.Success, $"{result.Name}: {result.Error}"));
        Assert.Equal("kana", results["top"].Builder);
        Assert.True(farm.Local.Has("top"));
        Assert.Equal("ruby", Assert.Single(farm.LostBuilders).Builder);
    }

    [Fact]
    public async Task A_machine_that_comes_back_takes_part_again()
    {
        farm["ruby"].Builds(build =>
        {
            if (farm["ruby"].Built.Count > 1) return Task.FromResult(build.Succeed());
            farm["ruby"].Break();
            farm["ruby"].Repair();
            return Task.Delay(Timeout.Infinite, build.Cancelled).ContinueWith(_ => build.Succeed(), TaskScheduler.Default);
        });

        var results = await farm.BuildAsync(farm.Derivation("top", [farm.Derivation("bottom")]), on: "ruby");

        Assert.All(results.Values, result => Assert.Equal((NixBuildStatus.Built, "ruby"), (result.Status, result.Builder)));
        Assert.Contains("It was building bottom", farm.LostBuilders.Single().Error.Message);
        Assert.Equal("ruby", Assert.Single(results["bottom"].Attempts).Builder);
    }

    [Fact]
    public async Task Outputs_that_a_returning_builder_still_has_are_not_rebuilt()
    {
        farm["ruby"].Builds(async build =>
        {
            if (build.Path.Name != "middle.drv" || farm["ruby"].Built.Count(name => name == "middle.drv") > 1) return build.Succeed();
            farm["ruby"].Break();
            farm["ruby"].Repair();
            await Task.Delay(Timeout.Infinite, build.Cancelled);
            return build.Succeed();
        });

        var results = await farm.BuildAsync(
            farm.Derivation("top", [farm.Derivation("middle", [farm.Derivation("bottom")])]),
            request => request with { CopyBack = CopyBack.Requested }, "ruby");

        Assert.All(results.Values, result => Assert.Equal((NixBuildStatus.Built, "ruby"), (result.Status, result.Builder)));
        Assert.Equal(["bottom.drv", "middle.drv", "middle.drv", "top.drv"], farm["ruby"].Built);
    }

    [Fact]
    public async Task What_a_returning_builder_has_built_while_it_was_cut_off_is_not_rebuilt_and_comes_home()
    {
        farm["ruby"].Builds(async build =>
        {
            var result = build.Succeed();
            if (build.Path.Name != "middle.drv") return result;
            farm["ruby"].Break();
            farm["ruby"].Repair();
            await Task.Delay(Timeout.Infinite, build.Cancelled);
            return result;
        });

        var results = await farm.BuildAsync(farm.Derivation("top", [farm.Derivation("middle", [farm.Derivation("bottom")])]), on: "ruby");

        Assert.All(results.Values, result => Assert.Equal((NixBuildStatus.Built, "ruby"), (result.Status, result.Builder)));
        Assert.Equal(["bottom.drv", "middle.drv", "top.drv"], farm["ruby"].Built);
        Assert.All((string[])["bottom", "middle", "top"], name => Assert.True(farm.Local.Has(name)));
    }

    [Fact]
    public async Task A_machine_that_cannot_be_reached_is_told_and_done_without()
    {
        farm["ruby"].Unreachable = new BuilderException("ruby", BuilderFailure.Unreachable, "no route");

        var results = await farm.BuildAsync(farm.Derivation("top"), on: ["ruby", "kana"]);

        Assert.Equal("kana", results["top"].Builder);
        Assert.Equal(("ruby", "no route"), (farm.LostBuilders.Single().Builder, farm.LostBuilders.Single().Error.Message));
    }

    [Fact]
    public async Task Without_any_machine_everything_is_told_to_have_none()
    {
        farm["ruby"].Unreachable = new BuilderException("ruby", BuilderFailure.Unreachable, "no route");

        var results = await farm.BuildAsync(farm.Derivation("top", [farm.Derivation("bottom")]), on: "ruby");

        Assert.Equal(
            (NixBuildStatus.NoEligibleBuilder, NixBuildStatus.DependencyFailed), (results["bottom"].Status, results["top"].Status));
    }
}
