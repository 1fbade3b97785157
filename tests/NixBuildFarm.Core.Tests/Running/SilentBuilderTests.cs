using Microsoft.Extensions.Time.Testing;
using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Protocol.Messages;

namespace NixBuildFarm.Core.Tests.Running;

/// <summary>Builders whose connection lives, and that leave a question unanswered; and those that nothing of the run can use.</summary>
public sealed class SilentBuilderTests : IDisposable
{
    private readonly FakeTimeProvider time = new();
    private readonly FakeFarm farm;

    public SilentBuilderTests() => farm = new("ruby", "kana") { Time = time };

    public void Dispose() => farm.Dispose();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(nameof(WorkerOperation.AddTempRoot))]
    [InlineData(nameof(WorkerOperation.QueryValidPaths))]
    [InlineData(nameof(WorkerOperation.AddToStoreNar))]
    [InlineData(nameof(WorkerOperation.NarFromPath))]
    [InlineData(nameof(WorkerOperation.QueryPathInfo))]
    public async Task A_builder_that_leaves_a_question_unanswered_is_lost_and_others_build(string question)
    {
        farm["ruby"].Daemon = new()
        {
            Store = farm["ruby"].Daemon.Store,
            Faults = new() { SilentAt = Enum.Parse<WorkerOperation>(question) },
        };
        var sources = Enumerable.Range(0, 4).Select(i => farm.Local.Daemon.Store.AddFile($"source{i}")).ToArray();
        var leaves = sources.Select((source, i) => farm.Derivation($"leaf{i}", sources: [source])).ToArray();

        var results = await InTimeAsync(farm.BuildAsync(farm.Derivation("top", leaves), on: ["ruby", "kana"]));

        Assert.All(results.Values, result => Assert.Equal(NixBuildStatus.Built, result.Status));
        Assert.True(farm.Local.Has("top"));
        Assert.Contains(
            farm.LostBuilders, lost => lost.Builder == "ruby" && lost.Error is BuilderException { Failure: BuilderFailure.ConnectionLost });
    }

    [Fact]
    public async Task A_daemon_that_stops_in_a_build_is_found_out_although_its_connection_lives()
    {
        var stopped = false;
        farm["ruby"].Builds(async build =>
        {
            farm["ruby"].Daemon.IsStopped = true;
            Volatile.Write(ref stopped, true);
            await Task.Delay(Timeout.Infinite, build.Cancelled);
            return build.Succeed();
        });
        farm["kana"].Builds(async build =>
        {
            // So that ruby has one as well.
            while (!Volatile.Read(ref stopped)) await Task.Delay(10, build.Cancelled);
            return build.Succeed();
        });
        var leaves = Enumerable.Range(0, 4).Select(i => farm.Derivation($"leaf{i}")).ToArray();

        var results = await InTimeAsync(farm.BuildAsync(farm.Derivation("top", leaves), on: ["ruby", "kana"]));

        Assert.All(results.Values, result => Assert.Equal((NixBuildStatus.Built, "kana"), (result.Status, result.Builder)));
        Assert.Contains("has left a question unanswered", farm.LostBuilders.First().Error.Message);
    }

    [Fact]
    public async Task A_build_that_its_daemon_does_not_end_in_time_is_tried_elsewhere()
    {
        farm["ruby"].Builds(async build =>
        {
            await Task.Delay(Timeout.Infinite, build.Cancelled);
            return build.Succeed();
        });

        var results = await InTimeAsync(
            farm.BuildAsync(farm.Derivation("top"), request => request with { Timeout = TimeSpan.FromSeconds(10) }, "ruby", "kana"));

        Assert.Equal((NixBuildStatus.Built, "kana"), (results["top"].Status, results["top"].Builder));
        Assert.All(results["top"].Attempts, attempt => Assert.Contains("although its time was up", attempt.Reason));
    }

    [Fact]
    public async Task A_builder_that_does_not_say_what_it_is_takes_no_part_and_holds_nobody_up()
    {
        farm["ruby"].Daemon = new() { Store = farm["ruby"].Daemon.Store, Faults = new() { SilentAt = WorkerOperation.BuildDerivation } };

        var results = await InTimeAsync(farm.BuildAsync(farm.Derivation("top"), on: ["ruby", "kana"]));

        Assert.Equal("kana", results["top"].Builder);
    }

    [Fact]
    public async Task A_builder_that_does_not_say_what_it_is_and_is_alone_is_given_up()
    {
        farm["ruby"].Daemon = new() { Store = farm["ruby"].Daemon.Store, Faults = new() { SilentAt = WorkerOperation.BuildDerivation } };

        var results = await InTimeAsync(farm.BuildAsync(farm.Derivation("top"), on: "ruby"));

        Assert.Equal(NixBuildStatus.NoEligibleBuilder, results["top"].Status);
        Assert.Contains("ruby: ruby has left a question unanswered", results["top"].Error);
    }

    [Fact]
    public async Task A_builder_that_has_not_answered_at_the_last_result_is_left_behind()
    {
        farm["ruby"].Login = Task.Delay(Timeout.Infinite, Cancellation);

        var results = await InTimeAsync(farm.BuildAsync(farm.Derivation("top"), on: ["ruby", "kana"]));

        Assert.Equal("kana", results["top"].Builder);
        Assert.Empty(farm.LostBuilders);
        Assert.Empty(farm.Warnings);
    }

    [Fact]
    public async Task A_builder_that_no_job_can_use_is_not_connected()
    {
        farm["ruby"].System = "aarch64-darwin";
        farm["ruby"].Unreachable = new BuilderException("ruby", BuilderFailure.Unreachable, "no route");

        var results = await InTimeAsync(farm.BuildAsync(farm.Derivation("top"), on: ["local", "ruby", "kana"]));

        Assert.True(results["top"].Success);
        Assert.Equal(0, farm["ruby"].Asked);
        Assert.Empty(farm.LostBuilders);
    }

    [Fact]
    public async Task A_builder_of_another_system_is_connected_when_something_needs_it()
    {
        farm["ruby"].System = "aarch64-darwin";

        var results = await InTimeAsync(farm.BuildAsync(farm.Derivation("top", system: "aarch64-darwin"), on: ["local", "ruby", "kana"]));

        Assert.Equal("ruby", results["top"].Builder);
    }

    [Fact]
    public async Task Whoever_lacks_a_feature_and_whoever_cannot_be_reached_are_told_apart_where_nobody_is_left()
    {
        Dictionary<string, string> gem = new() { ["requiredSystemFeatures"] = "gem" };
        farm["ruby"].Features = ["gem"];
        farm["ruby"].Unreachable = new BuilderException("ruby", BuilderFailure.Unreachable, "no route");

        var results = await InTimeAsync(farm.BuildAsync(farm.Derivation("top", environment: gem), on: ["ruby", "kana"]));

        Assert.Equal(NixBuildStatus.NoEligibleBuilder, results["top"].Status);
        Assert.Contains("ruby: no route", results["top"].Error);
        Assert.Contains("kana: it lacks the required feature gem", results["top"].Error);
    }

    /// <summary>Lets time pass in steps that leave whoever answers the time to do so.</summary>
    private async Task<T> InTimeAsync<T>(Task<T> work)
    {
        while (!work.IsCompleted)
        {
            time.Advance(TimeSpan.FromSeconds(2));
            await Task.WhenAny(work, Task.Delay(50, Cancellation));
        }
        return await work;
    }
}
