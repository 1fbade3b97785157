using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Playing;

namespace NixBuildFarm.Core.Tests.Simulation;

/// <summary>What must hold of memory on any graph and farm, with needs that are learnt, and builders that come and go.</summary>
public class MemoryPropertyTests
{
    private const long GB = 1_000_000_000;

    private static readonly SchedulingRule[] Counting =
        [SchedulingRule.Portfolio, SchedulingRule.EarliestFinish, SchedulingRule.CriticalPath, SchedulingRule.Fifo];

    public static TheoryData<int> Seeds => [.. Enumerable.Range(0, 200)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void No_builder_has_more_than_its_memory_but_for_a_job_that_is_alone_and_every_job_is_done(int seed)
    {
        var world = new RandomWorld(seed);
        world.Farm = [.. world.Farm.Select((builder, b) => WithMemory(builder, b, world.Random))];
        var options = world.Options() with { Policy = Counting[world.Random.Next(Counting.Length)] };
        var needs = Enumerable.Range(0, world.Graph.Count).Select(_ => Need(world.Random)).ToArray();
        var scheduler = Make(world, options, needs, spread: world.Random.NextDouble() * world.Random.Next(2));
        var disturbances = SchedulingPropertyTests.Disturbances(world);
        disturbances.AddRange(Holds(world));
        for (var i = world.Random.Next(4); i > 0; i--)
        {
            var builder = world.Random.Next(world.Farm.Count);
            var others = world.Random.Next(60) * GB;
            // One that is lost or has other slots by then stays as it is.
            if (disturbances.Any(other => other is SchedulingEvent.BuilderLost e && e.Builder == builder)) continue;
            disturbances.Add(new SchedulingEvent.BuilderChanged(
                world.Random.NextDouble() * 300, builder, world.Farm[builder] with { OthersMemory = others }));
        }
        for (var i = world.Random.Next(20); i > 0; i--)
        {
            var job = world.Random.Next(world.Graph.Count);
            var learnt = new Estimate(world.Truth.Seconds[job], 0.3, 1000) { Memory = Need(world.Random), MemorySpread = 0.2 };
            disturbances.Add(new SchedulingEvent.EstimateChanged(world.Random.NextDouble() * 300, job, learnt));
        }

        var result = new FarmSimulator(
            scheduler,
            world.Truth,
            new SimulationOptions
            {
                Disturbances = [.. disturbances.OrderBy(happened => happened.At)],
                Decided = decision => Check(scheduler, decision),
            }).Run();

        Assert.Equal(0, result.NotDone);
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void With_needs_of_nothing_the_plan_is_the_same_as_without_memory(int seed)
    {
        string Plan(bool hasMemory)
        {
            var world = new RandomWorld(seed);
            if (hasMemory) world.Farm = [.. world.Farm.Select((builder, b) => builder with { Memory = (b + 1) * GB })];
            var scheduler = Make(world, world.Options(), new long[world.Graph.Count]);
            return RandomWorld.Lines(new FarmSimulator(scheduler, world.Truth).Run());
        }

        Assert.Equal(Plan(hasMemory: false), Plan(hasMemory: true));
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void No_schedule_beats_the_bound_that_counts_memory(int seed)
    {
        var world = new RandomWorld(seed);
        world.Farm = [.. world.Farm.Select((builder, b) => WithMemory(builder, b, world.Random))];
        var options = world.Options() with { Policy = Counting[world.Random.Next(Counting.Length)] };
        var scheduler = Make(world, options, [.. Enumerable.Range(0, world.Graph.Count).Select(_ => Need(world.Random))]);

        var result = new FarmSimulator(scheduler, world.Truth).Run();

        Assert.Equal(0, result.NotDone);
        Assert.True(result.Ratio > 1 - 1e-9, $"ratio {result.Ratio}");
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Every_job_is_done_though_needs_are_guessed_wrong_and_builds_are_killed(int seed)
    {
        var world = new RandomWorld(seed);
        // The first one takes everything, and so does the memory that it has.
        world.Farm = [.. world.Farm.Select((b, index) => b with { Memory = index == 0 ? 64 * GB : (4 + 8 * world.Random.Next(5)) * GB })];
        long[] peaks = [.. Enumerable.Range(0, world.Graph.Count).Select(_ => Math.Min(64 * GB, Need(world.Random)))];
        // Sometimes nothing is known at all.
        var known = world.Random.Next(4) == 0 ? 0 : 1;
        long[] guesses = [.. peaks.Select(peak => known * (long)(peak * Math.Exp(world.Random.NextDouble() - 0.7)))];
        var options = world.Options();

        var result = new FarmSimulator(Make(world, options, guesses), world.Truth with { Memory = peaks }).Run();

        Assert.Equal(0, result.NotDone);
    }

    private static void Check(Scheduler scheduler, SchedulingDecision decision)
    {
        if (decision is not (SchedulingDecision.Start or SchedulingDecision.Hedge)) return;
        var on = decision is SchedulingDecision.Start start ? start.Builder : ((SchedulingDecision.Hedge)decision).Builder;
        // What runs on others may be more than they have by now.
        foreach (var builder in scheduler.State.Builders)
        {
            Assert.True(
                builder != scheduler.State.Builders[on] || !(builder.MemoryInUse > builder.UsableMemory) || builder.Running == 1,
                $"{builder.Description.Name} has {builder.MemoryInUse} of {builder.UsableMemory} in use by {builder.Running}");
            Assert.Equal(builder.Slots.Where(slot => slot.Job >= 0).Sum(slot => slot.Memory), builder.MemoryInUse);
        }
    }

    private static Scheduler Make(RandomWorld world, SchedulerOptions options, IReadOnlyList<long> needs, double spread = 0) => new(
        world.Graph,
        world.Farm,
        [
            .. needs.Select((need, job) => new Estimate(world.Truth.Seconds[job], 0, world.Truth.OutputBytes[job])
            {
                Memory = need, MemorySpread = spread,
            }),
        ],
        options);

    /// <summary>Builders that take no builds for a while or from some time on; the first, which takes everything, for a while.</summary>
    internal static IEnumerable<SchedulingEvent> Holds(RandomWorld world)
    {
        for (var i = world.Random.Next(6); i > 0; i--)
        {
            var (at, builder) = (world.Random.NextDouble() * 300, world.Random.Next(world.Farm.Count));
            yield return new SchedulingEvent.BuilderHeld(at, builder, true);
            if (builder > 0 && world.Random.Next(2) == 0) continue;
            yield return new SchedulingEvent.BuilderHeld(at + world.Random.NextDouble() * 400, builder, false);
        }
    }

    private static FarmBuilder WithMemory(FarmBuilder builder, int index, Random random) => builder with
    {
        Memory = random.Next(5) == 0 ? null : (4 + 8 * random.Next(5)) * GB,
        ReservedMemory = random.Next(4) == 0 ? GB : 0,
        MemoryRules = index > 0 && random.Next(4) == 0 ? [new("job1*", 3 * GB), new("job11*", 50 * GB)] : [],
    };

    private static long Need(Random random) => random.Next(3) switch
    {
        0 => 0,
        1 => (long)(random.NextDouble() * 4 * GB),
        _ => (long)(random.NextDouble() * 50 * GB),
    };
}
