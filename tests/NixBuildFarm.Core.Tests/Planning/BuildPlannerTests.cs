using NixBuildFarm.Core.Tests.Protocol;
using NixBuildFarm.Core.Tests.Running;
using NixBuildFarm.Planning;
using NixBuildFarm.Protocol;
using NixBuildFarm.Protocol.Messages;
using NixBuildFarm.Scheduling.Lending;

namespace NixBuildFarm.Core.Tests.Planning;

/// <summary>The plan of a run, over daemons in this process.</summary>
public sealed class BuildPlannerTests : IDisposable
{
    private readonly FakeFarm farm = new("ruby", "kana");

    public void Dispose() => farm.Dispose();

    [Fact]
    public async Task Everything_that_is_to_be_built_is_planned_after_what_it_needs()
    {
        var bottom = farm.Derivation("bottom");
        var sides = Enumerable.Range(0, 5).Select(i => farm.Derivation($"side{i}", [bottom])).ToArray();

        var plan = await farm.PlanAsync(farm.Derivation("top", sides));

        Assert.Equal(7, plan.Count);
        Assert.All(plan, step => Assert.Equal(NixBuildPlanAction.Build, step.Action));
        Assert.Equal("bottom", plan[0].Name);
        Assert.Equal(("top", true), (plan[^1].Name, plan[^1].IsRequested));
        Assert.All(plan.Skip(1).SkipLast(1), side => Assert.True(side.Start >= plan[0].End && side.End <= plan[^1].Start, side.Name));
        Assert.All(plan, step => Assert.True(step.Duration > TimeSpan.Zero && step.Why.Length > 0, step.Name));
    }

    [Fact]
    public async Task Nothing_is_built_and_no_other_builder_is_spoken_to()
    {
        farm["ruby"].Break();
        farm.Local.Builds(_ => Task.FromResult(new BuildResult { Status = BuildStatus.MiscFailure }));

        var plan = await farm.PlanAsync(farm.Derivation("top", [farm.Derivation("bottom")]), on: ["ruby", "kana"]);

        Assert.All(plan, step => Assert.Contains(step.Builder, (string[])["ruby", "kana"]));
        Assert.Empty(farm.LostBuilders);
        Assert.Empty(farm["kana"].Daemon.Requests);
        Assert.Empty(farm.Local.Built);
        Assert.DoesNotContain(
            farm.Local.Daemon.Requests,
            request => request is WorkerOperation.EnsurePath or WorkerOperation.AddToStoreNar or WorkerOperation.AddIndirectRoot);
    }

    [Fact]
    public async Task What_this_machine_has_not_the_memory_for_is_planned_elsewhere()
    {
        farm.Local.Machine = "memory MemTotal: 8000000 kB\n";
        var huge = farm.Derivation("huge", environment: new Dictionary<string, string> { ["NIXBUILDNET_MIN_MEM"] = "20000" });

        Assert.NotEqual("local", Assert.Single(await farm.PlanAsync(huge)).Builder);
        Assert.Contains(farm.Decisions, said => said.StartsWith("The plan knows the memory of this machine", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_run_goes_where_the_plan_says()
    {
        Dictionary<string, string> Only(string machine) => new() { ["requiredSystemFeatures"] = machine };
        farm["ruby"].Features = ["ruby"];
        farm["kana"].Features = ["kana"];
        var left = farm.Derivation("left", environment: Only("ruby"));
        var right = farm.Derivation("right", [left], Only("kana"));
        var top = farm.Derivation("top", [left, right], new Dictionary<string, string> { ["preferLocalBuild"] = "1" });

        var plan = await farm.PlanAsync(top);
        var results = await farm.BuildAsync(top);

        Assert.Equal(["ruby", "kana", "local"], plan.Select(step => step.Builder));
        Assert.All(plan, step => Assert.Equal(step.Builder, results[step.Name].Builder));
    }

    [Fact]
    public async Task A_build_whose_compiles_others_may_do_is_planned_to_end_sooner_and_says_so()
    {
        var big = farm.Derivation(
            "llvm", environment: new Dictionary<string, string> { ["pname"] = "llvm", ["enableParallelBuilding"] = "1" });

        var alone = Assert.Single(await farm.PlanAsync(big, on: ["ruby", "kana"]));
        var shared = Assert.Single(await farm.PlanAsync(big, request => request with { Share = ShareMode.Auto }, "ruby", "kana"));

        Assert.True(shared.Duration < 0.9 * alone.Duration, $"{shared.Duration} and {alone.Duration}");
        Assert.EndsWith("; other builders do compiles of it", shared.Why);
        Assert.DoesNotContain("other builders", alone.Why);
    }

    [Fact]
    public async Task A_substitutable_path_is_planned_as_such_and_not_fetched()
    {
        var middle = farm.Derivation("middle", [farm.Derivation("bottom")]);
        var (info, nar) = FakeStore.FileOf("middle", [1, 2, 3]);
        farm.Local.Daemon.Store.Substitutable[info.Path] = (info, nar);

        var plan = await farm.PlanAsync(farm.Derivation("top", [middle]), on: "ruby");

        Assert.Equal(
            [("middle", NixBuildPlanAction.Substitute, null), ("top", NixBuildPlanAction.Build, "ruby")],
            plan.Select(step => (step.Name, step.Action, step.Builder)));
        Assert.False(farm.Local.Has("middle"));
    }

    [Fact]
    public async Task A_valid_output_is_planned_as_such()
    {
        var top = farm.Derivation("top", [farm.Derivation("bottom")]);
        farm.Local.Daemon.Store.AddFile("top");

        var step = Assert.Single(await farm.PlanAsync(top));

        Assert.Equal((NixBuildPlanAction.AlreadyValid, null, null, null), (step.Action, step.Builder, step.Start, step.Cores));
    }

    [Fact]
    public async Task A_job_that_nobody_may_build_and_its_dependents_are_planned_with_the_reasons()
    {
        var alien = farm.Derivation("alien", environment: new Dictionary<string, string> { ["requiredSystemFeatures"] = "kvm" });

        var plan = (await farm.PlanAsync(farm.Derivation("top", [alien, farm.Derivation("other")]))).ToDictionary(step => step.Name);

        Assert.Equal((NixBuildPlanAction.NoEligibleBuilder, null), (plan["alien"].Action, plan["alien"].Builder));
        Assert.Equal("local, ruby, kana: it lacks the required feature kvm", plan["alien"].Why);
        Assert.Equal(NixBuildPlanAction.DependencyFailed, plan["top"].Action);
        Assert.Equal(NixBuildPlanAction.Build, plan["other"].Action);
    }

    [Fact]
    public async Task Cores_are_those_that_the_run_would_allow()
    {
        var top = farm.Derivation("top");

        Assert.Equal(0, Assert.Single(await farm.PlanAsync(top)).Cores);
        Assert.Equal(3, Assert.Single(await farm.PlanAsync(top, request => request with { Cores = 3 })).Cores);
    }

    [Fact]
    public async Task A_floating_derivation_is_planned_like_any_other()
    {
        var plan = Assert.Single(await farm.PlanAsync(farm.Floating("floating")));

        Assert.Equal(("floating", NixBuildPlanAction.Build), (plan.Name, plan.Action));
    }
}
