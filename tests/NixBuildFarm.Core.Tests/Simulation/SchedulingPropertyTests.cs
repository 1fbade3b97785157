using CsCheck;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Playing;

namespace NixBuildFarm.Core.Tests.Simulation;

/// <summary>What must hold on any graph and farm, under any policy and with estimates however wrong.</summary>
public class SchedulingPropertyTests
{
    private const int Worlds = 150;

    private static readonly Gen<int> Seeds = Gen.Int[0, int.MaxValue - 1];

    [Fact]
    public void Precedence_capacity_eligibility_cores_and_durations_are_never_violated() => Seeds.Sample(
        seed =>
        {
            var world = new RandomWorld(seed);
            var options = world.Options();
            var result = world.Play(options);

            Assert.Empty(ScheduleChecker.Check(RandomWorld.Lines(result), world.Graph, world.Farm, world.Truth, options.Moldable));
            Assert.Equal(0, result.NotDone);
        },
        iter: Worlds);

    [Fact]
    public void No_schedule_beats_the_bound_and_the_bound_is_no_less_than_the_longest_chain() => Seeds.Sample(
        seed =>
        {
            var world = new RandomWorld(seed);
            var result = world.Play(world.Options() with { Moldable = false });

            Assert.True(result.Ratio > 1 - 1e-9, $"ratio {result.Ratio}");
            Assert.True(result.Bound.Seconds > ScheduleChecker.LongestChain(world.Graph, world.Farm, world.Truth) * (1 - 1e-9));
        },
        iter: Worlds);

    [Fact]
    public void A_moldable_run_does_not_beat_its_bound() => Seeds.Sample(
        seed =>
        {
            var world = new RandomWorld(seed);
            Assert.True(world.Play(world.Options() with { Moldable = true }).Ratio > 1 - 1e-9);
        },
        iter: Worlds);

    [Fact]
    public void Every_job_is_done_exactly_once_also_when_builders_come_go_and_change() => Seeds.Sample(
        seed =>
        {
            var world = new RandomWorld(seed);
            var disturbances = Disturbances(world);
            var failed = new HashSet<(int, int)>();
            // Now and then a builder spoils a job, but never twice the same, and never the one that takes everything.
            FailureKind? Fail(int job, int builder) =>
                world.Random.Next(10) == 0 && failed.Add((job, builder))
                    ? builder == 0
                    ? FailureKind.Retry
                    : FailureKind.RetryElsewhere
                    : null;

            var result = world.Play(world.Options(), disturbances, Fail);

            Assert.Equal("", string.Join(" ", Enumerable.Range(0, world.Graph.Count).Except(result.Schedule.Select(e => e.Job))));
            Assert.Equal(world.Graph.Count, result.Schedule.Count);
            Assert.Equal(0, result.NotDone);
        },
        iter: Worlds);

    [Fact]
    public void With_one_builder_of_one_slot_the_order_is_a_topological_order() => Seeds.Sample(
        seed =>
        {
            var world = new RandomWorld(seed);
            world.Farm = [world.Farm[0] with { MaxJobs = 1 }];
            var position = new int[world.Graph.Count];
            var order = world.Play(world.Options()).Schedule.OrderBy(e => e.Start).Select(e => e.Job).ToArray();
            for (var i = 0; i < order.Length; i++) position[order[i]] = i;

            Assert.Equal(world.Graph.Count, order.Length);
            for (var job = 0; job < order.Length; job++)
            {
                foreach (var dependency in world.Graph[job].Dependencies) Assert.True(position[dependency] < position[job]);
            }
        },
        iter: Worlds);

    [Fact]
    public void The_same_input_gives_the_same_plan() => Seeds.Sample(
        seed =>
        {
            string Once()
            {
                var world = new RandomWorld(seed);
                return RandomWorld.Lines(world.Play(world.Options()));
            }
            Assert.Equal(Once(), Once());
        },
        iter: Worlds / 4);

    [Fact]
    public void A_permanent_failure_leaves_undone_just_what_depends_on_it() => Seeds.Sample(
        seed =>
        {
            var world = new RandomWorld(seed);
            var bad = world.Random.Next(world.Graph.Count);
            var doomed = new HashSet<int> { bad };
            foreach (var job in world.Graph.TopologicalOrder)
            {
                if (world.Graph[job].Dependencies.Any(doomed.Contains)) doomed.Add(job);
            }

            var result = world.Play(world.Options(), failure: (job, _) => job == bad ? FailureKind.Permanent : null);

            Assert.Equal(Enumerable.Range(0, world.Graph.Count).Except(doomed), result.Schedule.Select(e => e.Job).Order());
        },
        iter: Worlds);

    [Fact]
    public void Changing_weights_one_by_one_gives_the_ranks_of_a_computation_from_scratch() => Seeds.Sample(
        seed =>
        {
            var world = new RandomWorld(seed);
            var weights = world.Truth.Seconds.ToArray();
            var rank = new UpwardRank(world.Graph, weights);
            for (var i = 0; i < 10; i++)
            {
                var job = world.Random.Next(weights.Length);
                rank.SetWeight(job, weights[job] = world.Random.NextDouble() * 100);
            }
            rank.Update(int.MaxValue, _ => { });

            Assert.Equal(new UpwardRank(world.Graph, weights).All.ToArray(), rank.All.ToArray());
        },
        iter: Worlds);

    [Fact]
    public void What_all_guesses_may_be_wrong_by_together_changes_no_decision() => Seeds.Sample(
        seed =>
        {
            string Plan(double common)
            {
                var world = new RandomWorld(seed);
                var estimates = world.Truth.Seconds
                    .Select(seconds => new Estimate(seconds, world.Random.NextDouble(), 1_000_000) { CommonSpread = common }).ToArray();
                var truth = estimates.Select(estimate => estimate.Seconds * (0.3 + 2 * world.Random.NextDouble())).ToArray();
                var scheduler = new Scheduler(world.Graph, world.Farm, estimates, world.Options() with { Hedge = true });
                return RandomWorld.Lines(new FarmSimulator(scheduler, world.Truth with { Seconds = truth }).Run());
            }
            Assert.Equal(Plan(common: 0), Plan(common: 1));
        },
        iter: Worlds / 4);

    internal static List<SchedulingEvent> Disturbances(RandomWorld world)
    {
        var events = new List<SchedulingEvent>();
        var at = 0.0;
        var lost = new HashSet<int>();
        for (var i = world.Random.Next(6); i > 0 && world.Farm.Count > 1; i--)
        {
            at += world.Random.NextDouble() * 100;
            var builder = 1 + world.Random.Next(world.Farm.Count - 1);
            var description = world.Farm[builder];
            if (lost.Remove(builder)) events.Add(new SchedulingEvent.BuilderJoined(at, description));
            else if (world.Random.Next(3) == 0)
            {
                events.Add(new SchedulingEvent.BuilderChanged(at, builder, description with { MaxJobs = world.Random.Next(5) }));
            }
            else if (lost.Add(builder))
            {
                events.Add(
                    world.Random.Next(2) == 0
                        ? new SchedulingEvent.BuilderLost(at, builder)
                        : new SchedulingEvent.BuilderDrained(at, builder));
            }
        }
        return events;
    }
}
