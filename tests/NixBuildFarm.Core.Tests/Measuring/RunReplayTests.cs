using NixBuildFarm.History;
using NixBuildFarm.Measuring;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Lending;
using static NixBuildFarm.Core.Tests.Scheduling.Given;

namespace NixBuildFarm.Core.Tests.Measuring;

public class RunReplayTests
{
    private static RecordedJob Built(Job job, string on, double start, double seconds, int cores = 4, long bytes = 0) => new()
    {
        Job = job,
        DerivationPath = $"/nix/store/{new string('a', 32)}-{job.Name}.drv",
        Status = NixBuildStatus.Built,
        Builder = on,
        SupplyStart = start,
        Start = start,
        Seconds = seconds,
        Cores = cores,
        OutputBytes = bytes,
    };

    private static RunRecord Run(IReadOnlyList<FarmBuilder> farm, params RecordedJob[] jobs) => new()
    {
        Id = "20260102-030405-abcd",
        Started = DateTimeOffset.UnixEpoch,
        Ended = DateTimeOffset.UnixEpoch.AddHours(1),
        State = RunState.Succeeded,
        Requested = ["top"],
        Farm = farm,
        Jobs = jobs,
    };

    [Fact]
    public void Durations_are_converted_to_a_builder_of_speed_one_with_four_cores()
    {
        var replay = RunReplay.Of(Run(
            [Local(), Builder("ruby", speed: 0.5)],
            Built(Job("a"), "ruby", 0, 10),
            Built(Job("b") with { EnableParallelBuilding = true }, "local", 0, 8, cores: 1, bytes: 7)));

        Assert.Equal([5, 8 / Estimate.CoreFactor(true, 1)], replay.Scenario.Durations.Seconds);
        Assert.Equal([0, 7], replay.Scenario.Durations.OutputBytes);
    }

    [Fact]
    public void A_shared_build_is_replayed_as_long_as_it_would_have_taken_alone_with_the_compiles_that_it_had()
    {
        // 100 compiles of 8 s at half the speed: 400 reference seconds, which are 100 s on four cores, of 145.
        var shared = Built(Job("big") with { EnableParallelBuilding = true }, "ruby", 0, 200) with
        {
            SharedCompiles = new SharedCompiles
            {
                Count = 110,
                Stayed = 10,
                StayedSeconds = 20,
                Shared = 75,
                Seconds = 820,
                Saved = TimeSpan.FromSeconds(90),
            },
        };

        var durations = RunReplay.Of(Run([Local(), Builder("ruby", speed: 0.5)], shared, Built(Job("rust-analyzer"), "local", 0, 9)))
            .Scenario.Durations;

        Assert.Equal([145, 9], durations.Seconds);
        Assert.Equal([new CompileEstimate(100.0 / 145, 4), default], durations.Compiles);
    }

    [Fact]
    public async Task What_sharing_brings_is_what_the_same_run_takes_without()
    {
        var big = Built(Job("llvm") with { EnableParallelBuilding = true }, "local", 0, 1000);
        var replay = RunReplay.Of(Run([Local(1), Builder("ruby", 4)], big));
        var scenario = replay.Scenario with { Options = new SchedulerOptions { Share = ShareMode.Auto } };
        var cancellation = TestContext.Current.CancellationToken;

        var measured = NixBuildMeasurement.Of(
            scenario, await scenario.PlayAsync(null, cancellation), replay, await scenario.WithoutSharing!.PlayAsync(null, cancellation));

        Assert.Equal(1000, measured.WithoutSharing!.Value.TotalSeconds, 1.0);
        Assert.InRange(measured.Makespan.TotalSeconds, 300, 900);
        Assert.Null((scenario with { Farm = [Local(1)] }).WithoutSharing);
        Assert.Null(replay.Scenario.WithoutSharing);
    }

    [Fact]
    public async Task A_run_that_was_as_good_as_can_be_is_replayed_as_it_was()
    {
        var replay = RunReplay.Of(Run(
            [Local(1), Builder("ruby", 1, 2)],
            Built(Job("bottom"), "ruby", 1, 2),
            Built(Job("left", 0), "ruby", 3, 4),
            Built(Job("right", 0), "local", 3, 4),
            Built(Job("top", 1, 2), "ruby", 7, 1)));

        var measured = NixBuildMeasurement.Of(
            replay.Scenario, await replay.Scenario.PlayAsync(null, TestContext.Current.CancellationToken), replay);

        Assert.Equal("20260102-030405-abcd", measured.RunId);
        Assert.Equal(TimeSpan.FromSeconds(7), measured.ActualMakespan);
        Assert.Equal(7, measured.Makespan.TotalSeconds, 0.2);
    }

    [Fact]
    public void Jobs_that_were_fetched_or_not_built_are_left_out_and_the_rest_keeps_its_order()
    {
        var fetched = Built(Job("fetched"), "local", 0, 0) with { Status = NixBuildStatus.Substituted, Start = null };
        var failed = Built(Job("failed", 2), "local", 3, 1) with { Status = NixBuildStatus.Failed };
        var replay = RunReplay.Of(
            Run([Local()], fetched, failed, Built(Job("middle", 0), "local", 1, 2), Built(Job("top", 2, 0), "local", 3, 1)));

        Assert.Equal(["middle", "top"], Enumerable.Range(0, replay.Scenario.Graph.Count).Select(job => replay.Scenario.Graph[job].Name));
        Assert.Equal([0], replay.Scenario.Graph.DependenciesOf(1).ToArray());
        Assert.Equal(1, replay.NotBuilt);
        Assert.Equal(TimeSpan.FromSeconds(3), replay.ActualMakespan);
    }

    [Fact]
    public void A_run_that_built_nothing_is_an_empty_scenario()
    {
        var replay = RunReplay.Of(Run([]));

        Assert.Equal(0, replay.Scenario.Graph.Count);
        Assert.Equal(TimeSpan.Zero, replay.ActualMakespan);
    }
}
