using NixBuildFarm.Scheduling;
using static NixBuildFarm.Core.Tests.Scheduling.Given;
using static NixBuildFarm.Scheduling.SchedulingEvent;

namespace NixBuildFarm.Core.Tests.Scheduling;

/// <summary>What builds write fits the disk of their builder.</summary>
public class SpaceTests
{
    private static readonly FarmBuilder[] Two = [Builder("fast", 2, speed: 10), Builder("slow", 2)];

    [Fact]
    public void A_builder_whose_disk_would_not_hold_the_outputs_does_not_get_the_build()
    {
        var scheduler = Writing(Two, 50);
        scheduler.Apply(new SpaceTold(0, 0, 40));

        Assert.Equal([(0, 1)], Starts(scheduler.Decide(0)));
    }

    [Fact]
    public void What_runs_there_is_still_to_be_written()
    {
        var scheduler = Writing(Two, 30, 30);
        scheduler.Apply(new SpaceTold(0, 0, 40));

        Assert.Equal([(0, 0), (1, 1)], Starts(scheduler.Decide(0)));
    }

    [Fact]
    public void What_was_written_counts_until_the_builder_tells_anew()
    {
        var scheduler = Writing([Two[0], Two[1] with { MaxJobs = 0 }], 30, 30);
        scheduler.Apply(new SpaceTold(0, 0, 100));
        Assert.Equal(2, Starts(scheduler.Decide(0)).Length);
        scheduler.Apply(new JobFinished(1, 0, 0, 60));

        Assert.Equal(10, scheduler.State.Builders[0].SpaceLeft);
        scheduler.Apply(new SpaceTold(2, 0, 100));
        Assert.Equal(70, scheduler.State.Builders[0].SpaceLeft);
    }

    [Fact]
    public void Inputs_that_are_not_there_count_as_well()
    {
        Job[] jobs = [Job("a"), Job("b", 0) with { ExternalInputBytes = 20 }];
        var scheduler = Make(jobs, Two, [10, 10]);
        Assert.Equal([(0, 0)], Starts(scheduler.Decide(0)));
        scheduler.Apply(new JobFinished(1, 0, 0, 10));
        foreach (var builder in new[] { 0, 1 }) scheduler.Apply(new SpaceTold(1, builder, 1000));

        Assert.Equal((30, 40), (scheduler.SpaceNeedOf(1, 0), scheduler.SpaceNeedOf(1, 1)));
    }

    [Fact]
    public void What_fits_nowhere_goes_where_most_is_free()
    {
        var scheduler = Writing(Two, 50);
        scheduler.Apply(new SpaceTold(0, 0, 20));
        scheduler.Apply(new SpaceTold(0, 1, 30));

        var start = Assert.Single(scheduler.Decide(0).OfType<SchedulingDecision.Start>());
        Assert.Equal((1, PlacementReason.MostSpace), (start.Builder, start.Reason));
    }

    [Fact]
    public void Of_many_builders_alike_that_with_most_space_is_found()
    {
        var scheduler = Writing([.. Enumerable.Range(0, 20).Select(i => Builder($"b{i}"))], 50);
        for (var b = 0; b < 20; b++) scheduler.Apply(new SpaceTold(0, b, b == 15 ? 40 : 20));

        Assert.Equal([(0, 15)], Starts(scheduler.Decide(0)));
    }

    [Fact]
    public void A_build_waits_for_a_busy_builder_that_has_the_space()
    {
        var scheduler = Writing([Two[0], Two[1] with { MaxJobs = 1 }], 50, 60);
        scheduler.Apply(new SpaceTold(0, 0, 20));

        Assert.Single(Starts(scheduler.Decide(0)));
        Assert.Equal(1, scheduler.ReadyCount);
    }

    private static Scheduler Writing(FarmBuilder[] farm, params long[] outputs) =>
        Make([.. outputs.Select((_, i) => Job($"a{i}"))], farm, outputs);

    private static Scheduler Make(Job[] jobs, FarmBuilder[] farm, long[] outputs) => new(
        new JobGraph(jobs),
        farm,
        [.. outputs.Select(bytes => new Estimate(1, 0, bytes))],
        new SchedulerOptions { Policy = SchedulingRule.EarliestFinish });
}
