using System.Text;
using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Core.Tests.Protocol;
using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Protocol;
using NixBuildFarm.Protocol.Messages;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Core.Tests.Running;

/// <summary>
/// Derivations whose output paths are known only after a build are resolved when their inputs are built, and built as others are.
/// </summary>
public sealed class ContentAddressedRunTests : IDisposable
{
    private readonly FakeFarm farm = new("ruby", "kana");

    public void Dispose() => farm.Dispose();

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Each_of_a_chain_is_a_build_of_its_own_and_gets_the_paths_of_what_it_needs(bool isTrusted)
    {
        var seen = new Dictionary<string, BasicDerivation?>();
        farm["ruby"].Builds(
            build =>
            {
                lock (seen) seen[build.Path.Name] = build.Derivation;
                return Task.FromResult(build.Succeed());
            },
            isTrusted ? DaemonTrust.Trusted : DaemonTrust.NotTrusted);
        var floating = farm.Floating("floating");
        var top = farm.Floating("top", farm.Deferred("deferred", floating));

        var results = await farm.BuildAsync(top, request => request with { CopyBack = CopyBack.All }, "ruby");

        Assert.Equal(["deferred", "floating", "top"], results.Keys.Order());
        Assert.All(results.Values, result => Assert.Equal((NixBuildStatus.Built, "ruby"), (result.Status, result.Builder)));
        Assert.Equal(["deferred.drv", "floating.drv", "top.drv"], farm["ruby"].Built.Order());
        Assert.All(
            results.Values.Select(result => StorePath.Parse(result.Outputs["out"])),
            output => Assert.True(farm.Local.Daemon.Store.IsValid(output)));
        if (isTrusted)
        {
            Assert.Equal(results["floating"].Outputs["out"], seen["deferred.drv"]!.Environment["inputs"]);
            Assert.Equal([StorePath.Parse(results["deferred"].Outputs["out"])], seen["top.drv"]!.InputPaths);
        }
    }

    [Fact]
    public async Task They_are_built_by_all_builders()
    {
        var both = new TaskCompletionSource();
        var running = 0;
        foreach (var name in new[] { "ruby", "kana" })
        {
            farm[name].Builds(async build =>
            {
                // Each waits for the other: one builder alone would never end.
                if (build.Path.Name == "top.drv") return build.Succeed();
                if (Interlocked.Increment(ref running) == 4) both.SetResult();
                await both.Task.WaitAsync(build.Cancelled);
                return build.Succeed();
            });
        }
        var parts = Enumerable.Range(1, 4).Select(part => farm.Floating($"part{part}")).ToArray();

        var results = await farm.BuildAsync(farm.Floating("top", parts), on: ["ruby", "kana"]);

        Assert.Equal(
            ["kana", "kana", "ruby", "ruby"],
            results.Values.Where(result => result.Name != "top").Select(result => result.Builder!).Order());
    }

    [Fact]
    public async Task On_the_local_machine_and_others_together_they_are_built_too()
    {
        var results = await farm.BuildAsync(farm.Floating("top", farm.Floating("left"), farm.Floating("right")));

        Assert.All(results.Values, result => Assert.Equal(NixBuildStatus.Built, result.Status));
    }

    [Fact]
    public async Task The_local_store_learns_where_all_of_them_are_as_they_are_named_and_as_they_were_resolved()
    {
        var floating = farm.Floating("floating");
        var top = farm.Floating("top", floating);

        var results = await farm.BuildAsync(top, request => request with { CopyBack = CopyBack.All }, "ruby");

        var graph = await DerivationGraph.LoadAsync(farm, [top], TestContext.Current.CancellationToken);
        var hashes = new DerivationHashes(graph);
        var resolved = ResolvedDerivation.Of(
            graph.Find(top)!, [new(StorePath.Parse(results["floating"].Outputs["out"]), new UsedOutput(floating, "out").Placeholder)]);
        Assert.Equal(
            new[]
            {
                (hashes.RealisationId(graph.Find(floating)!, "out"), results["floating"].Outputs["out"]),
                (hashes.RealisationId(graph.Find(top)!, "out"), results["top"].Outputs["out"]),
                (resolved.RealisationId("out"), results["top"].Outputs["out"]),
            }.Order(),
            farm.Local.Daemon.Store.Realisations.Select(text => System.Text.Json.JsonDocument.Parse(text).RootElement)
                .Select(one => (one.GetProperty("id").GetString()!, $"/nix/store/{one.GetProperty("outPath").GetString()}"))
                .Order());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_input_that_comes_out_as_before_ends_the_rebuild_of_what_needs_it(bool byPath)
    {
        farm.Local.Daemon = new()
        {
            Version = ProtocolVersion.WithFeatures with { HasRealisationsByPath = byPath },
            Store = farm.Local.Daemon.Store,
            Build = farm.Local.Daemon.Build,
        };
        var top = farm.Floating("top", farm.Floating("library"));
        var before = await farm.BuildAsync(top, request => request with { CopyBack = CopyBack.All }, "ruby");
        farm.Results.Clear();
        farm["kana"].Builds(build => Task.FromResult(build.Succeed()));
        // Another library and another top, as after a change of a comment; the library comes out as the first did.
        var again = farm.OtherFloating("top", farm.OtherFloating("library"));

        var after = await farm.BuildAsync(again, on: "kana");

        Assert.Equal(["library.drv"], farm["kana"].Built);
        Assert.Equal((NixBuildStatus.AlreadyValid, "local"), (after["top"].Status, after["top"].Builder));
        Assert.Equal(before["top"].Outputs["out"], after["top"].Outputs["out"]);
        var graph = await DerivationGraph.LoadAsync(farm, [again], TestContext.Current.CancellationToken);
        // A store that looks outputs up by resolved derivations knows the new one by what it is resolved to, as it knew the old one.
        var known = farm.Local.Daemon.Store.FindRealisation(new DerivationHashes(graph).RealisationId(graph.Find(again)!, "out"));
        Assert.Equal(byPath, known is null);
    }

    [Fact]
    public async Task A_builder_that_has_the_feature_switched_off_is_asked_once_and_others_build()
    {
        const string Refusal = "error: experimental Nix feature 'ca-derivations' is disabled; add '--extra-experimental-features "
            + "ca-derivations' to enable it";
        var (fast, asked) = (new FakeFarm(FakeFarm.Fastest, "ruby"), 0);
        using var disposed = fast;
        fast[FakeFarm.Fastest].Builds(_ =>
        {
            Interlocked.Increment(ref asked);
            return Task.FromResult(new BuildResult { Status = BuildStatus.MiscFailure, ErrorMessage = Refusal });
        });
        var chain = fast.Floating("c", fast.Floating("b", fast.Floating("a")));

        var results = await fast.BuildAsync(chain, on: [FakeFarm.Fastest, "ruby"]);

        Assert.All(results.Values, result => Assert.Equal((NixBuildStatus.Built, "ruby"), (result.Status, result.Builder)));
        Assert.Equal(1, asked);
        Assert.Empty(fast.LostBuilders);
    }

    [Fact]
    public async Task What_a_build_prints_about_features_says_nothing_of_its_builder()
    {
        const string Printed = """
            builder for '/nix/store/00000000000000000000000000000000-a.drv' failed with exit code 1; last 1 log lines:
            > error: experimental Nix feature 'ca-derivations' is disabled; add '--extra-experimental-features ca-derivations' to enable it
            """;
        farm["ruby"].Builds(build => Task.FromResult(
            build.Path.Name == "a.drv" ? new() { Status = BuildStatus.PermanentFailure, ErrorMessage = Printed } : build.Succeed()));
        var both = farm.Derivation("both", [farm.Floating("a"), farm.Floating("b")]);

        var results = await farm.BuildAsync(both, request => request with { KeepGoing = true }, "ruby");

        Assert.Equal(NixBuildStatus.Failed, results["a"].Status);
        Assert.Empty(results["a"].Attempts);
        Assert.Equal((NixBuildStatus.Built, "ruby"), (results["b"].Status, results["b"].Builder));
    }

    [Fact]
    public async Task A_local_store_that_knows_no_realisations_costs_the_run_nothing()
    {
        farm.Local.Builds(
            build => Task.FromResult(build.Succeed()),
            faults: new() { Refusals = new Dictionary<WorkerOperation, string> { [WorkerOperation.QueryRealisation] = "invalid" } });

        var results = await farm.BuildAsync(
            farm.Floating("top", farm.Floating("below")), request => request with { CopyBack = CopyBack.All }, "ruby");

        Assert.All(results.Values, result => Assert.Equal((NixBuildStatus.Built, "ruby"), (result.Status, result.Builder)));
        Assert.Single(farm.Local.Daemon.Requests, request => request == WorkerOperation.QueryRealisation);
    }

    [Fact]
    public async Task A_pure_derivation_that_needs_an_impure_one_is_refused_as_Nix_refuses_it()
    {
        var impure = farm.Impure("impure");

        var refusal = await Assert.ThrowsAsync<NixBuildFarmException>(() => farm.BuildAsync(farm.Floating("pure", impure), on: "ruby"));

        Assert.Equal("ImpureInput", refusal.Id);
        Assert.Contains("pure needs impure, which is impure", refusal.Message);
    }

    [Fact]
    public async Task Impure_derivations_may_need_each_other_and_no_store_remembers_them()
    {
        var results = await farm.BuildAsync(farm.Impure("top", farm.Impure("below")), on: "ruby");

        Assert.All(results.Values, result => Assert.Equal(NixBuildStatus.Built, result.Status));
        Assert.Empty(farm.Local.Daemon.Store.Realisations);
    }

    [Fact]
    public async Task What_needs_a_lost_output_gets_the_path_of_the_new_one()
    {
        using var other = new FakeFarm(FakeFarm.Fastest, "kana");
        other[FakeFarm.Fastest].Builds(build =>
        {
            if (build.Path.Name == "library.drv") return Task.FromResult(build.Succeed());
            other[FakeFarm.Fastest].Break();
            return Task.Delay(Timeout.Infinite, build.Cancelled).ContinueWith(_ => build.Succeed(), TaskScheduler.Default);
        });
        var (rebuilt, nar) = FakeStore.ContentAddressed("library", Encoding.UTF8.GetBytes("another build gives other bytes"));
        BasicDerivation? top = null;
        other["kana"].Builds(build =>
        {
            if (build.Path.Name == "top.drv") top = build.Derivation;
            if (build.Path.Name != "library.drv") return Task.FromResult(build.Succeed());
            build.Store.Add(rebuilt, nar);
            return Task.FromResult(new BuildResult
            {
                Status = BuildStatus.Built,
                BuiltOutputs = new Dictionary<string, StorePath> { ["out"] = rebuilt.Path },
            });
        });

        var results = await other.BuildAsync(
            other.Deferred("top", other.Floating("library")),
            request => request with { CopyBack = CopyBack.Requested, MaxAbsence = TimeSpan.Zero },
            FakeFarm.Fastest, "kana");

        Assert.Equal((NixBuildStatus.Built, "kana"), (results["top"].Status, results["top"].Builder));
        Assert.Equal(rebuilt.Path.ToString(), top!.Environment["inputs"]);
    }
}
