using NixBuildFarm.Builders;
using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Core.Tests.Protocol;
using NixBuildFarm.Errors;
using NixBuildFarm.Evaluation;
using NixBuildFarm.History;
using NixBuildFarm.Protocol.Messages;
using NixBuildFarm.Store;

namespace NixBuildFarm.Core.Tests.Running;

/// <summary>A run as a whole, over daemons in this process.</summary>
public sealed class BuildRunTests : IDisposable
{
    private readonly FakeFarm farm = new("ruby", "kana");

    public void Dispose() => farm.Dispose();

    [Fact]
    public async Task A_requested_derivation_is_built_with_its_dependencies_and_is_copied_back()
    {
        var bottom = farm.Derivation("bottom");
        var sides = Enumerable.Range(0, 5).Select(i => farm.Derivation($"side{i}", [bottom])).ToArray();

        var results = await farm.BuildAsync(farm.Derivation("top", sides), on: ["ruby", "kana"]);

        Assert.Equal(7, results.Count);
        Assert.All(results.Values, result => Assert.Equal(NixBuildStatus.Built, result.Status));
        Assert.All(results.Values, result => Assert.Contains(result.Builder, (string[])["ruby", "kana"]));
        Assert.All(results.Keys, name => Assert.True(farm.Local.Has(name), name));
        Assert.True(results["top"].IsRequested);
        Assert.Equal(FakeFarm.OutputOf("top").ToString(), results["top"].Outputs["out"]);
    }

    [Fact]
    public async Task The_processor_time_that_a_daemon_reports_is_in_the_result()
    {
        farm["ruby"].Builds(build => Task.FromResult(
            build.Succeed() with { CpuUser = TimeSpan.FromSeconds(3), CpuSystem = TimeSpan.FromSeconds(0.5) }));

        var result = (await farm.BuildAsync(farm.Derivation("top"), on: ["ruby"]))["top"];

        Assert.Equal((TimeSpan.FromSeconds(3.5), null), (result.ProcessorTime, result.PeakMemory));
    }

    [Fact]
    public async Task Machines_are_connected_while_nix_evaluates()
    {
        // The local machine says which systems are likely to be asked for.
        farm["ruby"].Features = ["gem"];
        var top = farm.Derivation("top", environment: new Dictionary<string, string> { ["requiredSystemFeatures"] = "gem" });

        var results = await farm.BuildAsync(top, request => request with { Evaluate = FindAsync }, "local", "ruby");

        Assert.Equal("ruby", results["top"].Builder);

        async Task<IReadOnlyList<RequestedDerivation>> FindAsync(CancellationToken cancellation)
        {
            while (farm["ruby"].Daemon.Options is null) await Task.Delay(10, cancellation);
            return [new(top, [])];
        }
    }

    [Fact]
    public async Task A_failed_evaluation_is_reported_and_leaves_no_connection()
    {
        var error = new NixBuildFarmException("EvaluationFailed", "attribute 'helo' missing");

        var thrown = await Assert.ThrowsAsync<NixBuildFarmException>(
            () =>
                farm.BuildAsync(
                    farm.Derivation("top"),
                    request => request with { Evaluate = _ => Task.FromException<IReadOnlyList<RequestedDerivation>>(error) }));

        Assert.Same(error, thrown);
        await Task.WhenAll(new[] { farm.Local, farm["ruby"], farm["kana"] }.Select(machine => machine.Daemon.AllClosedAsync()))
            .WaitAsync(Until.Limit);
    }

    [Fact]
    public async Task A_path_goes_to_a_machine_once_however_many_builds_wait_for_it()
    {
        Dictionary<string, string> Only(string machine) => new() { ["requiredSystemFeatures"] = machine };
        farm["ruby"].Features = ["ruby"];
        farm["kana"].Features = ["kana"];
        var bottom = farm.Derivation("bottom", environment: Only("kana"));
        var sides = Enumerable.Range(0, 20).Select(i => farm.Derivation($"side{i}", [bottom], Only("ruby"))).ToArray();

        await farm.BuildAsync(farm.Derivation("top", sides, Only("ruby")), on: ["ruby", "kana"]);

        Assert.Single(farm["ruby"].Daemon.Requests, request => request == WorkerOperation.AddToStoreNar);
    }

    [Fact]
    public async Task The_inputs_of_the_next_build_are_under_way_while_others_run()
    {
        // So slow that it has to begin long before it is its turn.
        using var slow = new FakeFarm("ruby", "kana") { History = new KnownLink("ruby", bytesPerSecond: 1) };
        Dictionary<string, string> Only(string machine) => new() { ["requiredSystemFeatures"] = machine };
        slow["ruby"].Features = ["ruby"];
        slow["kana"].Features = ["kana"];
        slow["ruby"].Builds(async build =>
        {
            // They take both slots of ruby, and end only when what the next one needs has come.
            while (build.Path.Name.StartsWith("running", StringComparison.Ordinal) && !slow["ruby"].Has("input"))
            {
                await Task.Delay(10, TestContext.Current.CancellationToken);
            }
            return build.Succeed();
        });
        var running = Enumerable.Range(0, 2).Select(i => slow.Derivation($"running{i}", environment: Only("ruby"))).ToArray();
        var next = slow.Derivation("next", [slow.Derivation("input", environment: Only("kana"))], Only("ruby"));

        var results = await slow.BuildAsync(slow.Derivation("top", [.. running, next], Only("ruby")), on: ["ruby", "kana"]);

        Assert.All(results.Values, result => Assert.Equal(NixBuildStatus.Built, result.Status));
    }

    [Fact]
    public async Task A_build_that_alone_needs_much_over_a_slow_link_is_placed_where_that_is()
    {
        // More than run at a time there: the others wait, though ruby is idle.
        using var slow = new FakeFarm("ruby") { History = new KnownLink("ruby", bytesPerSecond: 1000) };
        var sources = Enumerable.Range(0, 6)
            .Select(i => slow.Local.Daemon.Store.AddFile($"source{i}", new string('x', 10_000_000)))
            .ToArray();
        var leaves = sources.Select((source, i) => slow.Derivation($"leaf{i}", sources: [source])).ToArray();

        var results = await slow.BuildAsync(slow.Derivation("top", leaves), on: ["local", "ruby"]);

        Assert.All(leaves, leaf => Assert.Equal("local", results[leaf.Name[..^".drv".Length]].Builder));
        Assert.Empty(slow["ruby"].Built);
    }

    [Fact]
    public async Task A_valid_output_is_neither_built_nor_looked_into()
    {
        var top = farm.Derivation("top", [farm.Derivation("bottom")]);
        farm.Local.Daemon.Store.AddFile("top");

        var results = await farm.BuildAsync(top);

        Assert.Equal(NixBuildStatus.AlreadyValid, Assert.Single(results.Values).Status);
    }

    [Fact]
    public async Task A_substitutable_output_is_fetched_and_its_dependencies_are_left_alone()
    {
        var middle = farm.Derivation("middle", [farm.Derivation("bottom")]);
        var (info, nar) = FakeStore.FileOf("middle", [1, 2, 3]);
        farm.Local.Daemon.Store.Substitutable[info.Path] = (info, nar);

        var results = await farm.BuildAsync(farm.Derivation("top", [middle]), on: "ruby");

        Assert.Equal(["middle", "top"], results.Keys.Order());
        Assert.Equal(NixBuildStatus.Substituted, results["middle"].Status);
        Assert.True(farm["ruby"].Has("middle"));
    }

    [Fact]
    public async Task Logs_that_cannot_be_kept_cost_nothing_but_themselves()
    {
        var results = await farm.BuildAsync(
            farm.Derivation("top", [farm.Derivation("bottom")]), request => request with { LogFolder = "/dev/null/logs" }, "ruby");

        Assert.All(results.Values, result => Assert.Equal((NixBuildStatus.Built, null), (result.Status, result.LogPath)));
        Assert.Contains("/dev/null/logs", Assert.Single(farm.Warnings));
    }

    [Fact]
    public async Task Without_the_local_store_the_run_ends_and_says_what_became_of_each()
    {
        farm["ruby"].Builds(build =>
        {
            farm.Local.Break();
            return Task.FromResult(build.Succeed());
        });

        var error = await Assert.ThrowsAsync<BuilderException>(
            () => farm.BuildAsync(farm.Derivation("top", [farm.Derivation("bottom")]), on: "ruby"));

        Assert.Equal(NixBuilder.LocalName, error.Builder);
        Assert.Contains("start the run again", error.Recommendation);
        Assert.Contains(farm.Results, result => result is { Name: "top", Success: false });
    }

    [Theory]
    [InlineData(CopyBack.All, true, true)]
    [InlineData(CopyBack.Requested, true, false)]
    [InlineData(CopyBack.None, false, false)]
    public async Task CopyBack_decides_which_outputs_are_copied_back(CopyBack copyBack, bool top, bool bottom)
    {
        await farm.BuildAsync(farm.Derivation("top", [farm.Derivation("bottom")]), request => request with { CopyBack = copyBack }, "ruby");

        Assert.Equal((top, bottom), (farm.Local.Has("top"), farm.Local.Has("bottom")));
    }

    [Fact]
    public async Task A_floating_output_is_copied_back_and_registered()
    {
        var results = await farm.BuildAsync(farm.Floating("floating"), on: "ruby");

        var output = StorePath.Parse(results["floating"].Outputs["out"]);
        Assert.True(farm.Local.Daemon.Store.IsValid(output));
        Assert.Contains($"\"outPath\":\"{output.BaseName}\"", Assert.Single(farm.Local.Daemon.Store.Realisations));
    }

    [Fact]
    public async Task Every_path_that_a_run_relies_on_is_protected_from_the_garbage_collector()
    {
        var top = farm.Derivation("top", [farm.Derivation("bottom")]);
        await farm.BuildAsync(top, on: "ruby");

        foreach (var name in new[] { "bottom", "top" })
        {
            Assert.Contains(FakeFarm.OutputOf(name), farm["ruby"].Daemon.Store.TempRoots);
            Assert.Contains(FakeFarm.OutputOf(name), farm.Local.Daemon.Store.TempRoots);
        }
        // It refers to what it needs, which the collector leaves for that reason.
        Assert.Contains(top, farm.Local.Daemon.Store.TempRoots);
    }
}
