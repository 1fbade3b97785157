using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Lending;
using static NixBuildFarm.Core.Tests.Scheduling.Given;

namespace NixBuildFarm.Core.Tests.Scheduling;

public class LowerBoundTests
{
    private static LowerBound Bound(Job[] jobs, FarmBuilder[] farm, params double[] seconds) =>
        LowerBound.Of(new JobGraph(jobs), farm, seconds);

    [Fact]
    public void A_chain_takes_its_length_at_the_fastest_speed() =>
        Assert.Equal(15, Bound([Job("a"), Job("b", 0)], [Local(speed: 2), Builder("slow", 9)], 10, 20).Seconds, 1e-9);

    [Fact]
    public void Work_cannot_end_sooner_than_the_slots_can_do_it() =>
        Assert.Equal(20, Bound([Job("a"), Job("b"), Job("c"), Job("d")], [Local(2)], 10, 10, 10, 10).Seconds, 1e-9);

    [Fact]
    public void Work_that_only_some_builders_may_take_is_bound_by_these() =>
        Assert.Equal(
            30,
            Bound(
                Enumerable.Range(0, 3).Select(i => Job($"t{i}") with { RequiredFeatures = ["kvm"] }).ToArray(),
                [Builder("kvm", features: "kvm"), Builder("big", 100)],
                10,
                10,
                10)
                .Seconds,
            1e-9);

    [Fact]
    public void Builders_that_only_help_with_compiles_count_where_these_are_shared()
    {
        Job[] jobs = [.. Enumerable.Range(0, 3).Select(i => Job($"t{i}") with { RequiredFeatures = ["kvm"] })];
        FarmBuilder[] farm = [Builder("kvm", features: "kvm"), Builder("big", 100)];

        LowerBound Bound(double share) => LowerBound.Of(
            new JobGraph(jobs), farm, [10, 10, 10], compiles: [.. jobs.Select(_ => new CompileEstimate(share, 1000))]);

        Assert.Equal(30, Bound(share: 0).Seconds, 1e-9);
        Assert.InRange(Bound(share: 1).Seconds, 0, 10);
    }

    [Fact]
    public void Work_cannot_end_sooner_than_the_memory_allows()
    {
        Job[] jobs = [.. Enumerable.Range(0, 8).Select(i => Job($"j{i}"))];
        FarmBuilder[] farm = [Local(8) with { Memory = 10 }, Builder("small", 8) with { Memory = 2 }];

        LowerBound Bound(long need) => LowerBound.Of(
            new JobGraph(jobs), farm, [.. jobs.Select(_ => 10.0)], needs: [.. jobs.Select(_ => need)]);

        Assert.Equal(8 * 10 * 2 / 12.0, Bound(need: 2).Memory, 1e-9);
        // Nothing of this is small enough for the other builder, and no two of it fit.
        Assert.Equal(80, Bound(need: 6).Seconds, 1e-9);
        // What fits nowhere has the largest one to itself.
        Assert.Equal(80, Bound(need: 60).Seconds, 1e-9);
        Assert.Equal(0, Bound(need: 0).Memory);
    }

    [Fact]
    public void The_chains_before_and_after_a_crowd_add_to_its_bound()
    {
        Job[] jobs = [Job("head"), .. Enumerable.Range(1, 8).Select(i => Job($"m{i}", 0)), Job("tail", 1, 2, 3, 4, 5, 6, 7, 8)];

        var bound = Bound(jobs, [Local(2)], [10, .. Enumerable.Repeat(5.0, 8), 10]);

        Assert.Equal(25, bound.CriticalPath, 1e-9);
        Assert.InRange(bound.Seconds, 36, 40);
    }

    [Fact]
    public void More_cores_shorten_only_what_builds_in_parallel()
    {
        FarmBuilder[] farm = [Local() with { Cores = 16 }];

        Assert.Equal(10, LowerBound.Of(new JobGraph([Job("a")]), farm, [10], moldable: true).Seconds, 1e-9);
        Assert.InRange(
            LowerBound.Of(new JobGraph([Job("a") with { EnableParallelBuilding = true }]), farm, [10], moldable: true).Seconds, 3, 4);
    }
}
