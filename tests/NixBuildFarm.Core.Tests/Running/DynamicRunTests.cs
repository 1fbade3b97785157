using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Core.Tests.Protocol;
using NixBuildFarm.Deciding.Journal;
using NixBuildFarm.History;
using NixBuildFarm.Protocol;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Core.Tests.Running;

/// <summary>Derivations that builds make join the run when they are there, and what uses their outputs waits for these.</summary>
public sealed class DynamicRunTests : IDisposable
{
    private readonly FakeFarm farm = new("ruby", FakeFarm.Fastest);
    private readonly Dictionary<string, BasicDerivation?> seen = [];

    public DynamicRunTests()
    {
        foreach (var name in new[] { "ruby", FakeFarm.Fastest }) farm[name].Builds(build => Task.FromResult(Make(build)));
    }

    public void Dispose() => farm.Dispose();

    [Theory]
    [InlineData(CopyBack.All)]
    [InlineData(CopyBack.Requested)]
    [InlineData(CopyBack.None)]
    public async Task What_a_build_makes_is_built_and_what_uses_it_gets_its_path(CopyBack copyBack)
    {
        var inner = farm.Made("inner");
        var user = farm.UserOf("user", farm.MakerOf(inner));

        var results = await farm.BuildAsync(user, request => request with { CopyBack = copyBack }, "ruby");

        Assert.Equal(["inner", "inner.drv", "user"], results.Keys.Order());
        Assert.All(results.Values, result => Assert.Equal((NixBuildStatus.Built, "ruby"), (result.Status, result.Builder)));
        Assert.Equal(inner.ToString(), results["inner.drv"].Outputs["out"]);
        Assert.Equal(results["inner"].Outputs["out"], seen["user.drv"]!.Environment["inputs"]);
        Assert.Equal([StorePath.Parse(results["inner"].Outputs["out"])], seen["user.drv"]!.InputPaths);
        Assert.DoesNotContain(farm.Warnings, warning => !warning.Contains("no root keeps it"));
    }

    [Fact]
    public async Task What_it_needs_and_the_run_has_already_is_built_once()
    {
        var library = farm.Floating("library");
        var maker = farm.MakerOf(farm.Made("inner", library));
        var both = farm.Floating("both", library, farm.UserOf("first", maker), farm.UserOf("second", maker));

        var results = await farm.BuildAsync(both, on: ["ruby", FakeFarm.Fastest]);

        Assert.Equal(["both", "first", "inner", "inner.drv", "library", "second"], results.Keys.Order());
        Assert.All(results.Values, result => Assert.Equal(NixBuildStatus.Built, result.Status));
        Assert.Equal(6, farm["ruby"].Built.Count + farm[FakeFarm.Fastest].Built.Count);
    }

    [Fact]
    public async Task A_derivation_that_is_made_may_make_others()
    {
        var inner = farm.Made("inner");
        var maker = farm.MakerOf(inner);
        var user = farm.UserOf("user", farm.MakerOf(farm.MadeAs(maker)), "out", "out", "out");

        var results = await farm.BuildAsync(user, on: "ruby");

        Assert.Equal(["inner", "inner.drv", "inner.drv.drv", "user"], results.Keys.Order());
        Assert.Equal(results["inner"].Outputs["out"], seen["user.drv"]!.Environment["inputs"]);
    }

    [Fact]
    public async Task One_that_was_made_before_joins_at_once()
    {
        var maker = farm.MakerOf(farm.Made("inner"));
        farm.HasMade(maker);

        var results = await farm.BuildAsync(farm.UserOf("user", maker), on: "ruby");

        Assert.Equal(["inner", "user"], results.Keys.Order());
        Assert.Equal(results["inner"].Outputs["out"], seen["user.drv"]!.Environment["inputs"]);
    }

    [Fact]
    public async Task What_came_of_it_before_and_is_at_home_is_used()
    {
        var inner = farm.Made("inner");
        var maker = farm.MakerOf(inner);
        farm.HasMade(maker);
        var (output, nar) = FakeStore.ContentAddressed("inner", [1]);
        farm.Local.Daemon.Store.Add(output, nar);
        farm.Local.Daemon.Store.Outputs[inner] = new Dictionary<string, StorePath?> { ["out"] = output.Path };

        var results = await farm.BuildAsync(farm.UserOf("user", maker), on: "ruby");

        Assert.Equal(NixBuildStatus.Built, Assert.Single(results).Value.Status);
        Assert.Equal(output.Path.ToString(), seen["user.drv"]!.Environment["inputs"]);
        Assert.True(farm["ruby"].Daemon.Store.IsValid(output.Path));
    }

    [Fact]
    public async Task What_is_made_and_is_no_derivation_fails_what_uses_it_and_says_why()
    {
        var inner = farm.Made("inner");
        var user = farm.UserOf("user", farm.MakerOf(inner));
        farm.Damage(inner);

        var results = await farm.BuildAsync(
            farm.Floating("top", user, farm.Floating("other")), request => request with { KeepGoing = true }, "ruby");

        Assert.Equal(["inner.drv", "other", "top", "user"], results.Keys.Order());
        Assert.Equal(NixBuildStatus.Built, results["inner.drv"].Status);
        Assert.Equal(NixBuildStatus.Built, results["other"].Status);
        Assert.Equal(NixBuildStatus.DependencyFailed, results["user"].Status);
        Assert.Equal(
            "It needs a derivation that inner.drv makes, and that cannot be used: "
                + $"“{inner}” cannot be read as a derivation. Look at it.",
            results["user"].Error);
    }

    [Fact]
    public async Task What_does_not_build_fails_what_uses_it()
    {
        farm["ruby"].Builds(build => Task.FromResult(build.Path.Name == "inner.drv"
            ? new BuildResult { Status = BuildStatus.PermanentFailure, ErrorMessage = "no" }
            : farm.Make(build)));

        var results = await farm.BuildAsync(farm.UserOf("user", farm.MakerOf(farm.Made("inner"))), on: "ruby");

        Assert.Equal(NixBuildStatus.Failed, results["inner"].Status);
        Assert.Equal(
            (NixBuildStatus.DependencyFailed, "It needs inner, which was not built."), (results["user"].Status, results["user"].Error));
    }

    [Fact]
    public async Task What_makes_nothing_fails_what_uses_it()
    {
        farm["ruby"].Builds(_ => Task.FromResult(new BuildResult { Status = BuildStatus.PermanentFailure, ErrorMessage = "no" }));

        var results = await farm.BuildAsync(farm.UserOf("user", farm.MakerOf(farm.Made("inner"))), on: "ruby");

        Assert.Equal(["inner.drv", "user"], results.Keys.Order());
        Assert.Equal("It needs inner.drv, which was not built.", results["user"].Error);
    }

    [Fact]
    public async Task What_needs_what_uses_it_is_refused()
    {
        var user = FakeStore.PathOf("user.drv");
        var inner = farm.Made("inner", user);
        farm.UserOf("user", farm.MakerOf(inner));

        var results = await farm.BuildAsync(user, on: "ruby");

        Assert.Equal(NixBuildStatus.DependencyFailed, results["user"].Status);
        Assert.Contains("needs what needs it", results["user"].Error);
    }

    [Fact]
    public async Task What_is_made_is_built_again_when_its_builder_is_lost_before_it_was_used()
    {
        farm[FakeFarm.Fastest].Builds(build =>
        {
            if (build.Path.Name != "user.drv") return Task.FromResult(Make(build));
            farm[FakeFarm.Fastest].Break();
            return Task.Delay(Timeout.Infinite, build.Cancelled).ContinueWith(_ => build.Succeed(), TaskScheduler.Default);
        });

        var results = await farm.BuildAsync(
            farm.UserOf("user", farm.MakerOf(farm.Made("inner"))),
            request => request with { CopyBack = CopyBack.Requested, MaxAbsence = TimeSpan.Zero },
            FakeFarm.Fastest, "ruby");

        Assert.Equal((NixBuildStatus.Built, "ruby"), (results["user"].Status, results["user"].Builder));
        // Its file is at home already.
        Assert.Equal(["inner.drv", "user.drv"], farm["ruby"].Built);
    }

    [Fact]
    public async Task The_plan_has_what_is_known()
    {
        var plan = await farm.PlanAsync(farm.UserOf("user", farm.MakerOf(farm.Made("inner"))), on: "ruby");

        Assert.Equal(["inner.drv", "user"], plan.Select(entry => entry.Name).Order());
    }

    [Fact]
    public async Task A_journal_of_it_is_decided_again()
    {
        var journal = Path.GetTempFileName();
        try
        {
            await farm.BuildAsync(
                farm.UserOf("user", farm.MakerOf(farm.Made("inner"))), request => request with { JournalFile = journal }, "ruby");

            var replayed = ReplayedRun.Of(await File.ReadAllLinesAsync(journal, TestContext.Current.CancellationToken));

            Assert.Equal(replayed.Recorded, replayed.Decided);
            Assert.Equal(["inner", "inner.drv", "user"], replayed.Results.Select(result => result.Name).Order());
        }
        finally
        {
            File.Delete(journal);
        }
    }

    private BuildResult Make(FakeBuild build)
    {
        lock (seen) seen[build.Path.Name] = build.Derivation;
        return farm.Make(build);
    }
}
