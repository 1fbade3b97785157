using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Protocol;

namespace NixBuildFarm.Core.Tests.Running;

/// <summary>A builder that fails again and again gets nothing for a while, in this run and the next.</summary>
public sealed class TroubledBuilderTests : IDisposable
{
    private readonly FakeFarm farm = new("ruby", "kana");

    public void Dispose() => farm.Dispose();

    [Fact]
    public async Task A_machine_that_fails_again_and_again_is_left_alone()
    {
        farm["ruby"].Builds(
            _ => Task.FromResult(new BuildResult { Status = BuildStatus.TransientFailure, ErrorMessage = "the disk is full" }));
        farm["kana"].Builds(async build =>
        {
            await Task.Delay(20, build.Cancelled);
            return build.Succeed();
        });

        var results = await farm.BuildAsync(
            farm.Derivation("top", [.. Enumerable.Range(0, 40).Select(i => farm.Derivation($"leaf{i}"))]), on: ["ruby", "kana"]);

        Assert.All(results.Values, result => Assert.True(result.Success, $"{result.Name}: {result.Error}"));
        Assert.InRange(farm["ruby"].Built.Count, 1, 6);
        Assert.Contains(farm.Warnings, warning => warning.Contains("ruby has failed too often", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_machine_that_made_trouble_is_left_alone_by_the_next_run_and_told()
    {
        var history = new KnownTroubles();
        using var machines = new FakeFarm("ruby", "kana") { History = history };
        machines["ruby"].Unreachable = new BuilderException("ruby", BuilderFailure.Unreachable, "no route");
        await machines.BuildAsync(machines.Derivation("first"), on: ["ruby", "kana"]);
        Assert.Equal(("ruby", "no route"), (history.Troubles().Single().Builder, history.Troubles().Single().Reason));
        machines["ruby"].Repair();
        machines["ruby"].Builds(build => Task.FromResult(build.Succeed()));

        await machines.BuildAsync(machines.Derivation("second"), on: ["ruby", "kana"]);

        Assert.Empty(machines["ruby"].Built);
        Assert.Contains("ruby failed in an earlier run. It is quarantined", Assert.Single(machines.Warnings));
        Assert.Single(machines.LostBuilders);
    }

    [Fact]
    public async Task A_machine_that_made_trouble_is_tried_at_once_where_nobody_else_may_build_and_is_trusted_again_when_it_did()
    {
        var history = new KnownTroubles(Trouble("ruby", DateTimeOffset.UtcNow.AddMinutes(4)));
        using var machines = new FakeFarm("ruby", "kana") { History = history };
        machines["ruby"].Features = ["gem"];

        var results = await machines.BuildAsync(
            machines.Derivation("top", environment: new Dictionary<string, string> { ["requiredSystemFeatures"] = "gem" }),
            on: ["ruby", "kana"]);

        Assert.Equal((NixBuildStatus.Built, "ruby"), (results["top"].Status, results["top"].Builder));
        Assert.Empty(history.Troubles());
    }

    [Fact]
    public async Task A_machine_whose_time_has_come_takes_part_from_the_start_and_one_failure_is_enough()
    {
        var history = new KnownTroubles(Trouble("ruby", DateTimeOffset.UtcNow.AddMinutes(-1)));
        using var machines = new FakeFarm("ruby", "kana") { History = history };
        machines["ruby"].Builds(
            _ => Task.FromResult(new BuildResult { Status = BuildStatus.TransientFailure, ErrorMessage = "the disk is full" }));
        machines["kana"].Builds(async build =>
        {
            await Task.Delay(20, build.Cancelled);
            return build.Succeed();
        });

        await machines.BuildAsync(
            machines.Derivation("top", [.. Enumerable.Range(0, 6).Select(i => machines.Derivation($"leaf{i}"))]), on: ["ruby", "kana"]);

        Assert.Contains(
            machines.Warnings,
            warning => warning.Contains("ruby has failed too often. It is quarantined for 8 s", StringComparison.Ordinal));
        Assert.Equal((4, "the disk is full"), (history.Troubles().Single().Openings, history.Troubles().Single().Reason));
    }

    private static BuilderTrouble Trouble(string builder, DateTimeOffset until) =>
        new() { Builder = builder, Openings = 3, Until = until, Reason = "no route" };
}
