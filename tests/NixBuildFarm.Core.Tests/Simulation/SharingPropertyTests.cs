using CsCheck;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Lending;
using NixBuildFarm.Scheduling.Playing;
using NixBuildFarm.Simulation;

namespace NixBuildFarm.Core.Tests.Simulation;

/// <summary>What must hold on any graph and farm when builds share their compiles.</summary>
public class SharingPropertyTests
{
    private const int Worlds = 100;

    private static readonly Gen<int> Seeds = Gen.Int[0, int.MaxValue - 1];

    [Fact]
    public void Precedence_capacity_and_eligibility_hold_and_no_build_takes_longer_than_alone() => Seeds.Sample(
        seed =>
        {
            var world = new RandomWorld(seed).WithCompiles();
            var options = world.Options() with { Share = ShareMode.Always };

            var result = world.Play(options);

            Assert.Equal(0, result.NotDone);
            var problems = ScheduleChecker.Check(RandomWorld.Lines(result), world.Graph, world.Farm, world.Truth, options.Moldable);
            Assert.DoesNotContain(problems, problem => !problem.Contains(" took "));
            Assert.All(
                result.Schedule,
                entry => Assert.True(entry.End - entry.Start <= Alone(world, options, entry.Job, entry.Builder, entry.Cores) * (1 + 1e-9)));
        },
        iter: Worlds);

    [Theory]
    [InlineData(126786484)]
    [InlineData(1416407866)]
    public void No_shared_run_beats_its_bound_where_slots_differ_or_builders_are_slower_than_they_are_believed_to_be(int seed)
    {
        var world = new RandomWorld(seed).WithCompiles();

        Assert.True(world.Play(world.Options() with { Share = ShareMode.Always }).Ratio > 1 - 1e-9);
    }

    [Fact]
    public void No_shared_run_beats_its_bound() => Seeds.Sample(
        seed =>
        {
            var world = new RandomWorld(seed).WithCompiles();
            var result = world.Play(world.Options() with { Share = ShareMode.Always });

            Assert.True(result.Ratio > 1 - 1e-9, $"ratio {result.Ratio}");
        },
        iter: Worlds);

    [Fact]
    public void Every_job_is_done_exactly_once_also_when_builders_come_go_and_change() => Seeds.Sample(
        seed =>
        {
            var world = new RandomWorld(seed).WithCompiles();
            var disturbances = SchedulingPropertyTests.Disturbances(world);
            var failed = new HashSet<(int, int)>();
            FailureKind? Fail(int job, int builder) =>
                world.Random.Next(10) == 0 && failed.Add((job, builder))
                    ? builder == 0
                    ? FailureKind.Retry
                    : FailureKind.RetryElsewhere
                    : null;

            var result = world.Play(world.Options() with { Share = ShareMode.Auto }, disturbances, Fail);

            Assert.Equal(Enumerable.Range(0, world.Graph.Count), result.Schedule.Select(e => e.Job).Order());
        },
        iter: Worlds);

    [Fact]
    public void The_same_input_gives_the_same_plan() => Seeds.Sample(
        seed =>
        {
            string Once()
            {
                var world = new RandomWorld(seed).WithCompiles();
                return RandomWorld.Lines(world.Play(world.Options() with { Share = ShareMode.Auto }));
            }
            Assert.Equal(Once(), Once());
        },
        iter: Worlds / 4);

    [Fact]
    public void What_is_known_of_compiles_changes_nothing_where_nothing_is_shared() => Seeds.Sample(
        seed =>
        {
            static string Lines(RandomWorld world, bool knows)
            {
                var truth = knows ? world.Truth : world.Truth with { Compiles = null };
                var estimates = SimulatedEstimates.Make(EstimateKind.Exact, world.Graph, world.Farm, truth);
                var scheduler = new Scheduler(
                    world.Graph,
                    estimates.Farm,
                    estimates.Current,
                    new SchedulerOptions { Moldable = world.Graph.Count % 2 == 0, Hedge = true });
                return RandomWorld.Lines(new FarmSimulator(scheduler, truth).Run());
            }
            var world = new RandomWorld(seed).WithCompiles();

            Assert.Equal(Lines(world, knows: false), Lines(world, knows: true));
        },
        iter: Worlds / 2);

    [Fact]
    public void Over_many_worlds_sharing_shortens_runs()
    {
        var (alone, shared, worse) = (0.0, 0.0, 0);
        for (var seed = 0; seed < 60; seed++)
        {
            double Makespan(ShareMode share)
            {
                var world = new RandomWorld(seed).WithCompiles();
                var estimates = SimulatedEstimates.Make(EstimateKind.Exact, world.Graph, world.Farm, world.Truth);
                var scheduler = new Scheduler(
                    world.Graph,
                    estimates.Farm,
                    estimates.Current,
                    new SchedulerOptions { Policy = SchedulingRule.EarliestFinish, Share = share });
                return new FarmSimulator(scheduler, world.Truth).Run().Makespan;
            }
            var (without, with) = (Makespan(ShareMode.Never), Makespan(ShareMode.Always));
            alone += Math.Log(without);
            shared += Math.Log(with);
            if (with > 1.05 * without) worse++;
        }
        Assert.True(shared < alone - 60 * 0.02, $"on the average {Math.Exp((shared - alone) / 60):0.000} of the time without");
        Assert.True(worse <= 3, $"{worse} of 60 worlds end later by more than 5 %");
    }

    private static double Alone(RandomWorld world, SchedulerOptions options, int job, int builder, int cores)
    {
        var factor = options.Moldable ? Estimate.CoreFactor(world.Graph[job].EnableParallelBuilding, cores) : 1;
        return world.Truth.Seconds[job] * factor / world.Farm[builder].SpeedOf(world.Graph[job].System);
    }
}
