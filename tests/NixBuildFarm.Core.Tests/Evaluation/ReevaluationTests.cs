using NixBuildFarm.Core.Tests.Protocol;
using NixBuildFarm.Core.Tests.Running;
using NixBuildFarm.Errors;
using NixBuildFarm.Evaluation;
using NixBuildFarm.History;
using NixBuildFarm.Planning;
using NixBuildFarm.Store;

namespace NixBuildFarm.Core.Tests.Evaluation;

/// <summary>A garbage collector takes derivations between their evaluation and their use.</summary>
public sealed class ReevaluationTests : IDisposable
{
    private readonly FakeFarm farm = new("ruby");
    private int evaluations;

    public ReevaluationTests() => farm["ruby"].Builds(build => Task.FromResult(build.Succeed()));

    public void Dispose() => farm.Dispose();

    [Theory]
    [InlineData("app")]
    [InlineData("base")]
    public async Task A_run_evaluates_again(string collected)
    {
        var below = farm.Derivation("base");
        var top = farm.Derivation("app", [below]);

        var evaluate = CollectedOnce(top, FakeStore.PathOf($"{collected}.drv"));

        var results = await farm.BuildAsync(top, request => request with { Evaluate = evaluate });

        Assert.Equal(NixBuildStatus.Built, results["app"].Status);
        Assert.Equal(2, evaluations);
    }

    [Fact]
    public async Task The_second_derivations_are_kept_before_they_are_made()
    {
        var top = farm.Derivation("app");

        await farm.BuildAsync(
            top,
            request => request with
            {
                Evaluate = cancellation =>
                {
                    if (evaluations > 0) Assert.Contains(top, farm.Local.Daemon.Store.TempRoots);
                    return CollectedOnce(top, top)(cancellation);
                },
            });

        Assert.Equal(2, evaluations);
    }

    [Fact]
    public async Task So_does_a_plan()
    {
        var top = farm.Derivation("app");

        var plan = await farm.PlanAsync(top, request => request with { Evaluate = CollectedOnce(top, top) });

        Assert.Equal("app", Assert.Single(plan).Name);
        Assert.Equal(2, evaluations);
    }

    [Fact]
    public async Task So_does_a_test_of_policies()
    {
        var top = farm.Derivation("app");
        var evaluate = CollectedOnce(top, top);
        await evaluate(TestContext.Current.CancellationToken);

        var tests = await new PolicyTester([farm["ruby"].Builder], NoHistory.Instance, farm, farm)
            .TestAsync(top, evaluate, TestContext.Current.CancellationToken);

        Assert.True(Assert.Single(tests).IsChosen);
    }

    [Fact]
    public async Task What_is_never_there_ends_the_run()
    {
        var top = farm.Derivation("app");
        farm.Collect(top);

        var error = await Assert.ThrowsAsync<NixBuildFarmException>(() => farm.BuildAsync(top));

        Assert.Contains($"{top}” does not exist", error.Message);
    }

    /// <summary>An evaluation after which a collector takes a derivation, the first time.</summary>
    private Func<CancellationToken, Task<IReadOnlyList<RequestedDerivation>>> CollectedOnce(StorePath requested, StorePath collected) =>
        _ =>
        {
            if (evaluations++ == 0) farm.Collect(collected);
            else farm.MakeAgain(collected);
            return Task.FromResult<IReadOnlyList<RequestedDerivation>>([new(requested, [])]);
        };
}
