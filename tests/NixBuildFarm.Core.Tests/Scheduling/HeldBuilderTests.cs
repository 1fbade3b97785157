using NixBuildFarm.Core.Tests.Simulation;
using NixBuildFarm.Scheduling;
using static NixBuildFarm.Core.Tests.Scheduling.Given;
using static NixBuildFarm.Scheduling.SchedulingEvent;

namespace NixBuildFarm.Core.Tests.Scheduling;

/// <summary>A builder that is held takes no new build until it is released.</summary>
public class HeldBuilderTests
{
    public static TheoryData<int> Seeds => [.. Enumerable.Range(0, 150)];

    [Fact]
    public void A_held_builder_ends_what_it_builds_and_takes_nothing_new()
    {
        var scheduler = Scheduler([Job("a"), Job("b"), Job("c")], [Builder("fast", 2, speed: 4), Builder("slow")], 1, 1, 1);
        Assert.Equal([(0, 0), (1, 0)], Starts(scheduler.Decide(0)));
        scheduler.Apply(new BuilderHeld(0.1, 0, IsHeld: true));

        Assert.Equal([(2, 1)], Starts(scheduler.Decide(0.1)));
        scheduler.Apply(new JobFinished(0.2, 0, 0, 0));
        scheduler.Apply(new JobFinished(0.2, 1, 0, 0));
        Assert.Empty(scheduler.Decide(0.2));
    }

    [Fact]
    public void Nobody_waits_for_a_held_builder_however_fast_it_is()
    {
        var scheduler = Scheduler([Job("a"), Job("b")], [Builder("fast", speed: 100), Builder("slow")], 10, 10);
        Assert.Equal([(0, 0)], Starts(scheduler.Decide(0)));
        scheduler.Apply(new BuilderHeld(0.05, 0, IsHeld: true));

        Assert.Equal([(1, 1)], Starts(scheduler.Decide(0.05)));
    }

    [Theory]
    [InlineData(SchedulingRule.Portfolio)]
    [InlineData(SchedulingRule.EarliestFinish)]
    [InlineData(SchedulingRule.CriticalPath)]
    [InlineData(SchedulingRule.Fifo)]
    [InlineData(SchedulingRule.StockNix)]
    [InlineData(SchedulingRule.Hydra)]
    public void A_job_waits_where_all_builders_are_held_and_starts_when_one_is_released(SchedulingRule rule)
    {
        Job[] jobs = [Job("a")];
        var scheduler = new Scheduler(
            new JobGraph(jobs), [Builder("b0"), Builder("b1")], Estimates(jobs), new SchedulerOptions { Policy = rule });
        scheduler.Apply(new BuilderHeld(0, 0, IsHeld: true));
        scheduler.Apply(new BuilderHeld(0, 1, IsHeld: true));

        Assert.Empty(scheduler.Decide(0));
        Assert.All(scheduler.WhyNot(0), Assert.Null);
        scheduler.Apply(new BuilderHeld(5, 1, IsHeld: false));
        Assert.Equal([(0, 1)], Starts(scheduler.Decide(5)));
    }

    [Fact]
    public void A_builder_that_is_lost_and_joins_again_is_not_held()
    {
        var scheduler = Scheduler([Job("a")], [Builder("b0")]);
        scheduler.Apply(new BuilderHeld(0, 0, IsHeld: true));
        scheduler.Apply(new BuilderLost(1, 0));
        scheduler.Apply(new BuilderHeld(1, 0, IsHeld: true));
        scheduler.Apply(new BuilderJoined(2, Builder("b0")));

        Assert.False(scheduler.IsHeld(0));
        Assert.Equal([(0, 0)], Starts(scheduler.Decide(2)));
    }

    [Fact]
    public void A_held_builder_whose_slots_change_stays_held()
    {
        var scheduler = Scheduler([Job("a")], [Builder("b0")]);
        scheduler.Apply(new BuilderHeld(0, 0, IsHeld: true));
        scheduler.Apply(new BuilderChanged(1, 0, Builder("b0", slots: 4)));

        Assert.Empty(scheduler.Decide(1));
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Every_job_is_done_whatever_is_held_as_long_as_it_is_released_again(int seed)
    {
        var world = new RandomWorld(seed);
        List<SchedulingEvent> holds = [];
        for (var i = world.Random.Next(1, 12); i > 0; i--)
        {
            var (at, builder) = (world.Random.NextDouble() * 100, world.Random.Next(world.Farm.Count));
            holds.Add(new BuilderHeld(at, builder, IsHeld: true));
            holds.Add(new BuilderHeld(100 + 50 * world.Random.NextDouble(), builder, IsHeld: false));
        }

        var result = world.Play(world.Options(), [.. holds.OrderBy(hold => hold.At)]);

        Assert.Equal(0, result.NotDone);
    }
}
