using System.Text;
using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Core.Tests.Protocol;
using NixBuildFarm.Core.Tests.Running;
using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Protocol;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Core.Tests.Work;

/// <summary>
/// A builder that lies about what it has built gets nothing into the local store but what it was asked for, and another one builds.
/// </summary>
public sealed class ResultRuleTests : IDisposable
{
    private const string Evil = FakeFarm.Fastest;

    private static readonly PathInfo Honest = FakeStore.ContentAddressed("mine", [1]).Info;

    private readonly FakeFarm farm = new(Evil, "ruby");

    public void Dispose() => farm.Dispose();

    [Fact]
    public Task A_content_addressed_result_under_the_path_of_another_derivation_is_not_taken() =>
        AssertNotTakenAsync(Planted(FakeFarm.OutputOf("glibc")), "another name");

    [Fact]
    public Task Nor_is_it_where_the_name_is_right() =>
        AssertNotTakenAsync(Planted(FakeStore.PathOf("mine")), "not content-addressed as the derivation asks");

    [Fact]
    public Task Nor_where_it_claims_a_content_address_that_gives_another_path() =>
        AssertNotTakenAsync(
            Planted(FakeStore.PathOf("mine"), info => info with { ContentAddress = Honest.ContentAddress }), "give another path");

    // As another build of it would be: name, address and path are right.
    [Fact]
    public Task Nor_where_the_content_is_not_that_of_the_address() =>
        AssertNotTakenAsync(Planted(Honest.Path, info => info with { ContentAddress = Honest.ContentAddress }), "something impossible");

    [Theory]
    [InlineData("fixed:sha256:")]
    [InlineData("text:sha256:")]
    public async Task Nor_where_it_is_hashed_in_another_way_than_was_asked(string kind)
    {
        var (info, nar) = FakeStore.ContentAddressed("mine", [1]);
        var other = info with { ContentAddress = kind + info.NarHash.ToBase32() };
        farm[Evil].Daemon.Store.Add(other, nar);
        EvilSays(other.Path);

        await AssertBuiltElsewhereAsync(farm.Floating("mine"), "not content-addressed as the derivation asks");
    }

    [Fact]
    public async Task A_reference_that_is_no_input_is_refused_for_a_content_addressed_result()
    {
        var victim = Planted(FakeFarm.OutputOf("glibc"));
        var (info, nar) = FakeStore.ContentAddressed("mine", [1], victim.Path);
        farm[Evil].Daemon.Store.Add(info, nar);
        EvilSays(info.Path);

        await AssertBuiltElsewhereAsync(
            farm.Floating("mine"), $"refers to {victim.Path}, which is no input of mine");
        Assert.False(farm.Local.Daemon.Store.IsValid(victim.Path));
    }

    [Fact]
    public async Task A_result_without_an_output_is_none()
    {
        farm[Evil].Builds(_ => Task.FromResult(new BuildResult { Status = BuildStatus.Built }));

        await AssertBuiltElsewhereAsync(farm.Floating("mine"), "but not where the output out is");
    }

    [Fact]
    public async Task A_builder_that_forgets_the_results_ends_nothing()
    {
        farm[Evil].Builds(build => Task.FromResult(build.Succeed()), DaemonTrust.NotTrusted, new() { ForgetsResults = true });

        await AssertBuiltElsewhereAsync(farm.Floating("mine"), "The results of 0 builds answer a question for 1");
    }

    [Fact]
    public async Task The_realisation_that_is_registered_is_that_of_the_derivation_whatever_the_builder_calls_it()
    {
        var derivation = farm.Floating("mine");

        // The fake says that it is that of a derivation with the hash 0.
        var results = await farm.BuildAsync(derivation, on: "ruby");

        var graph = await DerivationGraph.LoadAsync(farm, [derivation], TestContext.Current.CancellationToken);
        var registered = Assert.Single(farm.Local.Daemon.Store.Realisations);
        Assert.Contains($"\"id\":\"{new DerivationHashes(graph).RealisationId(graph.Find(derivation)!, "out")}\"", registered);
        Assert.Contains(StorePath.Parse(results["mine"].Outputs["out"]).BaseName, registered);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task An_ordinary_output_is_not_content_addressed(bool isTrusted)
    {
        farm[Evil].Builds(
            build =>
            {
                var path = FakeFarm.OutputOf("mine");
                var (info, nar) = FakeStore.FileOf("mine", [1]);
                build.Store.Add(info with { Path = path, ContentAddress = $"fixed:r:sha256:{info.NarHash.ToBase32()}" }, nar);
                return Task.FromResult(new BuildResult { Status = BuildStatus.Built });
            },
            isTrusted ? DaemonTrust.Trusted : DaemonTrust.NotTrusted);

        await AssertBuiltElsewhereAsync(farm.Derivation("mine"), "is content-addressed, which it is not");
    }

    [Theory]
    [InlineData(CopyBack.All)]
    [InlineData(CopyBack.Requested)]
    public async Task A_download_with_other_content_is_refused_and_made_elsewhere(CopyBack copyBack)
    {
        var download = farm.Fixed("download", "what it is");
        farm[Evil].Builds(build =>
        {
            if (build.Path != download) return Task.FromResult(build.Succeed());
            var (info, nar) = FakeStore.FileOf("download", Encoding.UTF8.GetBytes("what it is not"));
            build.Store.Add(info with { Path = build.Derivation!.Outputs["out"].Path! }, nar);
            return Task.FromResult(new BuildResult { Status = BuildStatus.Built });
        });
        farm["ruby"].Builds(build =>
        {
            if (build.Path != download) return Task.FromResult(build.Succeed());
            var (info, nar) = FakeStore.FileOf("download", Encoding.UTF8.GetBytes("what it is"));
            build.Store.Add(info with { Path = build.Derivation!.Outputs["out"].Path! }, nar);
            return Task.FromResult(new BuildResult { Status = BuildStatus.Built });
        });

        var results = await farm.BuildAsync(download, request => request with { CopyBack = copyBack }, Evil, "ruby");

        Assert.Equal((NixBuildStatus.Built, "ruby"), (results["download"].Status, results["download"].Builder));
        Assert.Contains("what it is", Encoding.UTF8.GetString(farm.Local.Daemon.Store.FindNar(farm[download].Outputs["out"].Path!)!));
        Assert.DoesNotContain("is not", Encoding.UTF8.GetString(farm.Local.Daemon.Store.FindNar(farm[download].Outputs["out"].Path!)!));
        Assert.Contains(farm.LostBuilders, lost => lost.Builder == Evil && lost.Error.Message.Contains("that are not its contents"));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task An_output_that_depends_on_a_content_addressed_one_has_the_only_path_that_fits(bool isHonest)
    {
        var deferred = farm.Deferred("deferred", farm.Floating("floating"));
        var elsewhere = FakeStore.PathOf("deferred");
        farm[Evil].Builds(build =>
        {
            if (isHonest || !build.Path.Name.StartsWith("deferred", StringComparison.Ordinal)) return Task.FromResult(build.Succeed());
            Planted(elsewhere);
            return Task.FromResult(
                new BuildResult { Status = BuildStatus.Built, BuiltOutputs = new Dictionary<string, StorePath> { ["out"] = elsewhere } });
        });

        var results = await farm.BuildAsync(deferred, on: [Evil]);

        Assert.Equal(isHonest, results["deferred"].Success);
        Assert.False(farm.Local.Daemon.Store.IsValid(elsewhere));
        if (isHonest)
        {
            Assert.True(farm.Local.Daemon.Store.IsValid(StorePath.Parse(results["deferred"].Outputs["out"])));
        }
        else
        {
            Assert.Contains(
                "says that it built deferred, but does not have /nix/store/", Assert.Single(farm.LostBuilders).Error.Message);
        }
    }

    [Fact]
    public async Task Outputs_that_a_returning_builder_still_has_are_judged_as_well()
    {
        var stranger = FakeStore.PathOf("stranger");
        farm[Evil].Builds(build =>
        {
            if (build.Path.Name != "middle.drv") return Task.FromResult(build.Succeed());
            farm[Evil].Break();
            Planted(stranger);
            Planted(FakeFarm.OutputOf("bottom"), info => info with { References = [stranger] });
            farm[Evil].Repair();
            return Task.Delay(Timeout.Infinite, build.Cancelled).ContinueWith(_ => build.Succeed(), TaskScheduler.Default);
        });

        var results = await farm.BuildAsync(
            farm.Derivation("middle", [farm.Derivation("bottom")]), request => request with { CopyBack = CopyBack.Requested }, Evil);

        Assert.False(results["middle"].Success);
        Assert.Contains(
            farm.LostBuilders,
            lost =>
                lost.Error is BuilderException { Failure: BuilderFailure.FalseResult }
                    && lost.Error.Message.Contains($"refers to {stranger}"));
        Assert.False(farm.Local.Daemon.Store.IsValid(stranger));
        Assert.False(farm.Local.Has("bottom"));
    }

    [Fact]
    public async Task A_copied_output_is_not_registered_as_built_here()
    {
        await farm.BuildAsync(farm.Derivation("mine"), on: "ruby");

        Assert.True(farm["ruby"].Daemon.Store.Find(FakeFarm.OutputOf("mine"))!.Ultimate);
        Assert.False(farm.Local.Daemon.Store.Find(FakeFarm.OutputOf("mine"))!.Ultimate);
    }

    /// <summary>A path with content of evil's own in evil's store.</summary>
    private PathInfo Planted(StorePath path, Func<PathInfo, PathInfo>? with = null)
    {
        var (info, nar) = FakeStore.FileOf("planted", Encoding.UTF8.GetBytes("of evil's own"));
        info = info with { Path = path };
        info = with?.Invoke(info) ?? info;
        farm[Evil].Daemon.Store.Add(info, nar);
        return info;
    }

    /// <summary>Whatever evil is asked for, it says that it has built it, and that it is there.</summary>
    private void EvilSays(StorePath output) => farm[Evil].Builds(_ => Task.FromResult(new BuildResult
    {
        Status = BuildStatus.Built,
        BuiltOutputs = new Dictionary<string, StorePath> { ["out"] = output },
    }));

    /// <summary>Something of evil's own is not taken for the output of a derivation whose path follows from its content.</summary>
    private async Task AssertNotTakenAsync(PathInfo planted, string complaint)
    {
        EvilSays(planted.Path);
        await AssertBuiltElsewhereAsync(farm.Floating("mine"), complaint);
        Assert.False(farm.Local.Daemon.Store.IsValid(planted.Path));
    }

    private async Task AssertBuiltElsewhereAsync(StorePath derivation, string complaint)
    {
        var results = await farm.BuildAsync(derivation, on: [Evil, "ruby"]);

        Assert.Equal((NixBuildStatus.Built, "ruby"), (results["mine"].Status, results["mine"].Builder));
        Assert.True(farm.Local.Daemon.Store.IsValid(StorePath.Parse(results["mine"].Outputs["out"])));
        Assert.Contains(complaint, Assert.Single(farm.LostBuilders, lost => lost.Builder == Evil).Error.Message);
    }
}
