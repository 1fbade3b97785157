using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Lending;
using NixBuildFarm.Scheduling.Playing;
using static NixBuildFarm.Core.Tests.Scheduling.Given;

namespace NixBuildFarm.Core.Tests.Scheduling.Lending;

public class SharedDurationTests
{
    [Theory]
    [InlineData(3, 4, 12, 3.8)]
    [InlineData(3, 4, 0, 1)]
    [InlineData(3, 4, 4, 1.9)]
    [InlineData(3, 4, 10_000, 11.7)]
    [InlineData(0.1, 4, 12, 1)]
    public void Compiles_are_over_the_sooner_the_more_helpers_there_are_until_reading_is_all_that_home_does(
        double seconds, int home, int helpers, double expected) =>
        Assert.Equal(expected, SharedDuration.Gain(seconds, home, helpers), 0.1);

    [Fact]
    public void No_gain_is_larger_than_the_places_allow()
    {
        var random = new Random(1);
        for (var i = 0; i < 10_000; i++)
        {
            var (seconds, home, helpers) = (random.NextDouble() * 10, 1 + random.Next(64), random.NextDouble() * 100);
            Assert.InRange(SharedDuration.Gain(seconds, home, helpers), 1, (home + helpers) / home * (1 + 1e-9));
        }
    }

    [Fact]
    public void What_is_no_compile_takes_as_long_as_alone()
    {
        Assert.Equal(
            0.4, SharedDuration.Factor(new CompileEstimate(0.6, 1000), coresCount: false, homePlaces: 4, helperPlaces: 1e9), 0.001);
        Assert.Equal(1, SharedDuration.Factor(new CompileEstimate(0, 4), coresCount: false, homePlaces: 4, helperPlaces: 12));
    }

    [Fact]
    public void On_more_cores_of_its_own_compiles_are_a_smaller_part_of_a_build() =>
        Assert.True(SharedDuration.Factor(new(0.7, 4), true, 16, 16) > SharedDuration.Factor(new(0.7, 4), true, 4, 4));

    [Fact]
    public void A_lonely_big_build_ends_as_the_model_says_and_the_bound_knows_it()
    {
        var result = Play([Big("big")], Farm(4), ShareMode.Auto, 1000);
        var expected = 1000 * (0.2 + 0.8 / SharedDuration.Gain(3, 4, 12));

        Assert.Equal(expected, result.Makespan, 0.1);
        Assert.InRange(result.Ratio, 1, 1.001);
        Assert.Equal(1000, Play([Big("big")], Farm(4), ShareMode.Never, 1000).Makespan, 0.1);
    }

    [Fact]
    public void A_build_goes_on_more_slowly_while_others_need_the_slots()
    {
        // The short jobs hold the helpers for 100 s; then these are idle.
        Job[] jobs = [Big("big"), .. Enumerable.Range(0, 3).Select(i => Job($"short{i}"))];
        var result = Play(jobs, Farm(4), ShareMode.Auto, 1000, 100, 100, 100);

        var big = result.Schedule.Single(entry => entry.Job == 0);
        var rate = 0.2 + 0.8 / SharedDuration.Gain(3, 4, 12);
        Assert.Equal(100 + 900 * rate, big.End, 2.0);
    }

    [Fact]
    public void Two_builds_that_share_divide_what_is_idle()
    {
        var result = Play([Big("one"), Big("two")], Farm(4), ShareMode.Auto, 1000, 1000);

        var each = 0.2 + 0.8 / SharedDuration.Gain(3, 4, 4);
        Assert.All(result.Schedule, entry => Assert.Equal(1000 * each, entry.End, 2.0));
    }

    [Fact]
    public void A_builder_that_joins_helps_what_runs_already_with_as_many_compiles_as_its_cores_leave_open()
    {
        var estimates = Believed(1000);
        var scheduler = new Scheduler(new JobGraph([Big("big")]), Farm(1), estimates, Options(ShareMode.Auto));
        var joins = new SchedulingEvent.BuilderJoined(500, Farm(2)[1]);
        var result = new FarmSimulator(scheduler, Truth(1000), new SimulationOptions { Disturbances = [joins] }).Run();

        // Nix was told a quarter more than the four cores of home.
        Assert.Equal(500 + 500 * (0.2 + 0.8 / SharedDuration.Gain(3, 4, 1)), result.Makespan, 2.0);
    }

    [Fact]
    public void The_critical_path_is_the_chain_that_cannot_be_shared()
    {
        // Alone the big one is the longer; with help it is not, and the serial chain has to begin first on the only builder that is fast.
        Job[] jobs = [Big("big"), Job("serial0"), Job("serial1", 1), Job("end", 0, 2)];
        var farm = new[] { Builder("fast", speed: 1) with { Cores = 4 }, Builder("slow", 4, 0.9) with { Cores = 16 } };
        int First(ShareMode share) =>
            new Scheduler(
                new JobGraph(jobs),
                farm,
                Estimates(jobs, 1000, 300, 300, 1).Select((e, i) => e with { Compiles = i == 0 ? Compiles : default }).ToArray(),
                Options(share))
            .Decide(0).OfType<SchedulingDecision.Start>().Single(start => start.Builder == 0).Job;

        Assert.Equal(0, First(ShareMode.Never));
        Assert.Equal(1, First(ShareMode.Auto));
    }

    private static readonly CompileEstimate Compiles = new(0.8, 3);

    private static Job Big(string name) => Job(name) with { EnableParallelBuilding = true };

    private static FarmBuilder[] Farm(int count) => [.. Enumerable.Range(0, count).Select(i => Builder($"b{i}") with { Cores = 4 })];

    private static SchedulerOptions Options(ShareMode share) => new() { Policy = SchedulingRule.EarliestFinish, Share = share };

    private static Estimate[] Believed(params double[] seconds) => [.. seconds.Select(s => new Estimate(s, 0, 0) { Compiles = Compiles })];

    private static GraphDurations Truth(params double[] seconds) =>
        new(seconds, new long[seconds.Length]) { Compiles = [.. seconds.Select(_ => Compiles)] };

    private static SimulationResult Play(Job[] jobs, FarmBuilder[] farm, ShareMode share, params double[] seconds)
    {
        var scheduler = new Scheduler(new JobGraph(jobs), farm, Believed(seconds), Options(share));
        return new FarmSimulator(scheduler, Truth(seconds)).Run();
    }
}
