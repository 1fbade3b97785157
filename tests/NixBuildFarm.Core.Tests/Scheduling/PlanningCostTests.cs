using NixBuildFarm.Scheduling;
using static NixBuildFarm.Core.Tests.Scheduling.Given;

namespace NixBuildFarm.Core.Tests.Scheduling;

/// <summary>A plan costs a small part of the time that it plans, counted in jobs played.</summary>
public class PlanningCostTests
{
    private static readonly Job[] Jobs = [.. Enumerable.Range(0, 100).Select(i => Job($"job{i}"))];

    [Theory]
    [InlineData(0.005, 0)]
    [InlineData(0.01, 500)]
    [InlineData(0.02, 1000)]
    public void Builds_that_take_milliseconds_are_planned_no_longer_than_their_work_is_worth(double seconds, int mostPlayed)
    {
        Assert.InRange(PlayedFor(seconds), 0, mostPlayed);
    }

    [Fact]
    public void Builds_that_take_long_are_planned_with_all_variants()
    {
        Assert.InRange(PlayedFor(seconds: 100), 1001, 10_000);
    }

    private static int PlayedFor(double seconds)
    {
        var scheduler = new Scheduler(
            new JobGraph(Jobs),
            [Builder("ruby", slots: 2), Builder("kana", slots: 4)],
            Estimates(Jobs, [.. Jobs.Select(_ => seconds)]),
            new SchedulerOptions { Policy = SchedulingRule.Portfolio });
        scheduler.Decide(0);
        return scheduler.JobsPlayed;
    }
}
