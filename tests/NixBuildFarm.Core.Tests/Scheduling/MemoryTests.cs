using NixBuildFarm.Scheduling;
using static NixBuildFarm.Core.Tests.Scheduling.Given;
using static NixBuildFarm.Scheduling.SchedulingEvent;

namespace NixBuildFarm.Core.Tests.Scheduling;

/// <summary>What runs on a builder fits its memory.</summary>
public class MemoryTests
{
    private const long GB = 1_000_000_000;

    [Fact]
    public void Builds_run_together_only_where_their_memory_fits()
    {
        var scheduler = Needing([6, 6], [Builder("b", 4) with { Memory = 10 * GB }]);

        Assert.Equal([(0, 0)], Starts(scheduler.Decide(0)));
        scheduler.Apply(new JobFinished(1, 0, 0, 0));
        Assert.Equal([(1, 0)], Starts(scheduler.Decide(1)));
    }

    [Fact]
    public void The_spread_of_what_is_known_is_kept_free_as_well()
    {
        Job[] jobs = [Job("a"), Job("b")];
        Estimate[] estimates = [.. jobs.Select(_ => new Estimate(1, 0, 0) { Memory = 4 * GB, MemorySpread = 0.5 })];

        Assert.Single(Starts(Make(jobs, [Builder("b", 4) with { Memory = 12 * GB }], estimates).Decide(0)));
        Assert.Equal(2, Starts(Make(jobs, [Builder("b", 4) with { Memory = 14 * GB }], estimates).Decide(0)).Length);
    }

    [Fact]
    public void A_builder_whose_memory_is_unknown_takes_anything()
    {
        var scheduler = Needing([60, 60], [Builder("b", 4)]);

        Assert.Equal(2, Starts(scheduler.Decide(0)).Length);
    }

    [Fact]
    public void Reserved_memory_is_left_to_others()
    {
        var scheduler = Needing([6, 6], [Builder("b", 4) with { Memory = 16 * GB, ReservedMemory = 6 * GB }]);

        Assert.Single(Starts(scheduler.Decide(0)));
    }

    [Fact]
    public void A_build_goes_where_it_fits_though_that_is_slower()
    {
        var scheduler = Needing([20], [Builder("small", speed: 10) with { Memory = 8 * GB }, Builder("large") with { Memory = 32 * GB }]);

        Assert.Equal([(0, 1)], Starts(scheduler.Decide(0)));
    }

    [Fact]
    public void A_build_that_fits_nowhere_has_the_largest_builder_to_itself()
    {
        FarmBuilder[] farm = [Builder("small", 2, speed: 10) with { Memory = 8 * GB }, Builder("large", 4) with { Memory = 32 * GB }];
        var scheduler = Needing([0, 40, 0, 0, 0], farm, 1, 50, 1, 1, 1);

        var start = scheduler.Decide(0).OfType<SchedulingDecision.Start>().Single(start => start.Job == 1);
        Assert.Equal((1, PlacementReason.MostMemory), (start.Builder, start.Reason));

        // Even what needs no memory waits for the other builder.
        Assert.Equal(2, Running(scheduler, 0));
        Assert.Equal(1, Running(scheduler, 1));
        scheduler.Apply(new JobFinished(50, 1, 1, 0));
        Assert.NotEmpty(Starts(scheduler.Decide(50)));
    }

    [Fact]
    public void A_build_that_fits_nowhere_waits_for_builders_that_are_about_to_join_and_others_do_not()
    {
        var scheduler = Needing([20, 2], [Builder("small", 2) with { Memory = 8 * GB }]);
        scheduler.Apply(new BuildersExpected(0, true));

        Assert.Equal([(1, 0)], Starts(scheduler.Decide(0)));
        scheduler.Apply(new JobFinished(1, 1, 0, 0));
        Assert.Empty(Starts(scheduler.Decide(1)));
        scheduler.Apply(new BuilderJoined(2, Builder("large", speed: 0.1) with { Memory = 32 * GB }));
        Assert.Equal([(0, 1)], Starts(scheduler.Decide(2)));
    }

    [Fact]
    public void A_build_that_fits_nowhere_starts_where_there_is_most_when_nobody_is_about_to_join_any_more()
    {
        var scheduler = Needing([20], [Builder("small", 2) with { Memory = 8 * GB }]);
        scheduler.Apply(new BuildersExpected(0, true));
        Assert.Empty(scheduler.Decide(0));
        scheduler.Apply(new BuildersExpected(1, false));

        Assert.Equal([(0, 0)], Starts(scheduler.Decide(1)));
    }

    [Fact]
    public void A_build_that_fits_nowhere_waits_until_the_largest_builder_is_idle_and_nothing_long_goes_before_it()
    {
        var scheduler = Needing([1, 40, 1, 1], [Builder("b", 3) with { Memory = 32 * GB }], 10, 5, 4, 9);
        Assert.Equal([(0, 0)], Starts(scheduler.Decide(0)).Take(1));
        // The short one ends before the first; the long one does not start beside it.
        Assert.Equal(JobState.Ready, scheduler.StateOf(1));

        scheduler.Apply(new JobFinished(10, 0, 0, 0));
        foreach (var other in new[] { 2, 3 }.Where(job => scheduler.Runs(job, 0))) scheduler.Apply(new JobFinished(10, other, 0, 0));
        Assert.Contains((1, 0), Starts(scheduler.Decide(10)));
    }

    [Fact]
    public void Small_builds_do_not_keep_a_large_one_waiting_for_ever()
    {
        Job[] jobs = [Job("running"), Job("large"), .. Enumerable.Range(0, 50).Select(i => Job($"small{i}"))];
        var scheduler = Make(
            jobs,
            [Builder("b", 4) with { Memory = 10 * GB }],
            [
                new(10, 0, 0) { Memory = 4 * GB }, new(9, 0, 0) { Memory = 8 * GB },
                .. Enumerable.Repeat(new Estimate(8, 0, 0) { Memory = 2 * GB }, 50),
            ]);

        // Beside the first one there is room for two that end before it does, and later only for those that leave 8 GB from then on.
        var at = 0.0;
        for (var ended = 0; scheduler.StateOf(1) == JobState.Ready && ended < 50; ended++)
        {
            scheduler.Decide(at);
            if (scheduler.StateOf(1) == JobState.Running) break;
            at += 5;
            var next = Enumerable.Range(0, jobs.Length).First(job => scheduler.Runs(job, 0));
            scheduler.Apply(new JobFinished(at, next, 0, 0));
        }

        Assert.Equal(JobState.Running, scheduler.StateOf(1));
        Assert.InRange(at, 5, 20);
    }

    [Theory]
    [InlineData(SchedulingRule.EarliestFinish)]
    [InlineData(SchedulingRule.CriticalPath)]
    [InlineData(SchedulingRule.Fifo)]
    [InlineData(SchedulingRule.Portfolio)]
    public void A_hundred_large_builds_do_not_hold_up_a_hundred_small_ones(SchedulingRule rule)
    {
        Job[] jobs = [.. Enumerable.Range(0, 200).Select(i => Job($"j{i}"))];
        Estimate large = new(1000, 0, 0) { Memory = 7 * GB }, small = new(10, 0, 0) { Memory = GB / 10 };
        Estimate[] estimates = [.. jobs.Select((_, i) => i < 100 ? large : small)];
        var scheduler = new Scheduler(
            new JobGraph(jobs), [Builder("b", 8) with { Memory = 8 * GB }], estimates, new SchedulerOptions { Policy = rule });

        var starts = Starts(scheduler.Decide(0));

        Assert.Equal(1, starts.Count(start => start.Job < 100));
        Assert.InRange(starts.Count(start => start.Job >= 100), 5, 7);
    }

    [Fact]
    public void The_memory_of_the_builder_that_is_free_first_may_be_taken_where_another_one_like_it_has_some()
    {
        FarmBuilder[] farm = [Builder("a", 8) with { Memory = 8 * GB }, Builder("b", 2) with { Memory = 8 * GB }];
        var scheduler = Needing([7, 7], farm, 10, 9);

        Assert.Equal([(0, 0), (1, 1)], Starts(scheduler.Decide(0)));
    }

    [Fact]
    public void What_a_derivation_states_counts_where_it_is_more_than_is_expected()
    {
        Job[] jobs = [Job("a") with { StatedMemory = 6 * GB }, Job("b") with { StatedMemory = 6 * GB }];

        Assert.Single(Starts(Make(jobs, [Builder("b", 4) with { Memory = 10 * GB }], Estimates(jobs)).Decide(0)));
    }

    [Fact]
    public void A_rule_of_the_builder_replaces_what_is_expected()
    {
        FarmBuilder[] farm = [Builder("b", 4) with { Memory = 10 * GB, MemoryRules = [new("a*", GB), new("a-large*", 20 * GB)] }];

        Assert.Equal(2, Starts(Needing([8, 8], farm).Decide(0)).Length);
        Job[] jobs = [Job("a-large"), Job("b")];
        Assert.Single(Starts(Make(jobs, farm, Estimates(jobs)).Decide(0)));
    }

    [Fact]
    public void A_build_that_asks_for_cores_goes_to_a_builder_that_has_them_and_to_any_where_none_has()
    {
        FarmBuilder[] farm = [Builder("few", speed: 9) with { Cores = 4 }, Builder("many") with { Cores = 16 }];

        Assert.Equal([(0, 1)], Starts(Scheduler([Job("a") with { StatedCores = 16 }], farm).Decide(0)));
        Assert.Equal([(0, 0)], Starts(Scheduler([Job("a") with { StatedCores = 64 }], farm).Decide(0)));
    }

    [Fact]
    public void A_build_that_has_failed_where_it_fits_is_tried_on_the_largest_that_is_left()
    {
        FarmBuilder[] farm =
        [
            Builder("small") with { Memory = 4 * GB }, Builder("middle") with { Memory = 8 * GB },
            Builder("large") with { Memory = 32 * GB },
        ];
        var scheduler = Needing([20], farm);
        Assert.Equal([(0, 2)], Starts(scheduler.Decide(0)));
        scheduler.Apply(new JobFailed(1, 0, 2, FailureKind.RetryElsewhere));

        Assert.Equal([(0, 1)], Starts(scheduler.Decide(1)));
    }

    [Fact]
    public void A_build_whose_only_large_builder_is_held_for_long_has_the_next_largest_to_itself()
    {
        FarmBuilder[] farm =
        [
            Builder("small") with { Memory = 4 * GB }, Builder("middle", 2) with { Memory = 8 * GB },
            Builder("large") with { Memory = 32 * GB },
        ];
        var scheduler = Needing([20, 20], farm, 10, 9);
        scheduler.Apply(new BuilderHeld(0, 2, true));
        Assert.Empty(Starts(scheduler.Decide(0)));
        var at = scheduler.NextWakeup!.Value;
        Assert.Equal(BuilderState.PatienceWithHeld, at);

        var start = Assert.Single(scheduler.Decide(at).OfType<SchedulingDecision.Start>());
        Assert.Equal((0, 1, PlacementReason.MostMemory), (start.Job, start.Builder, start.Reason));
        scheduler.Apply(new BuilderHeld(at + 1, 2, false));
        Assert.Equal([(1, 2)], Starts(scheduler.Decide(at + 1)));
    }

    [Fact]
    public void Builds_that_fit_nowhere_go_to_all_builders_that_are_about_the_largest()
    {
        FarmBuilder[] farm =
        [
            Builder("a") with { Memory = 16 * GB, OthersMemory = GB }, Builder("b") with { Memory = 16 * GB },
            Builder("small") with { Memory = 8 * GB },
        ];

        Assert.Equal([(0, 0), (1, 1)], Starts(Needing([20, 20], farm).Decide(0)).Order());
    }

    [Fact]
    public void Why_a_builder_is_too_small_is_said_with_what_is_known()
    {
        FarmBuilder[] farm = [Builder("few") with { Cores = 4, Memory = 8 * GB }, Builder("many") with { Cores = 16, Memory = 32 * GB }];
        Job[] jobs = [Job("cores") with { StatedCores = 16 }, Job("memory") with { StatedMemory = 20 * GB }];
        var scheduler = Scheduler(jobs, farm);

        Assert.Equal(["it has 4 cores, and the derivation asks for 16", null], scheduler.WhyNot(0));
        Assert.Equal(["it has 8 GB of memory for builds, and this one is expected to need 20 GB", null], scheduler.WhyNot(1));
    }

    [Fact]
    public void A_short_hold_sends_nothing_to_a_builder_that_is_too_small()
    {
        var scheduler = Needing([20], [Builder("small", 2) with { Memory = 8 * GB }, Builder("large") with { Memory = 32 * GB }]);
        foreach (var at in new[] { 0, 100, 200 })
        {
            scheduler.Apply(new BuilderHeld(at, 1, true));
            Assert.Empty(Starts(scheduler.Decide(at)));
            scheduler.Apply(new BuilderHeld(at + 60, 1, false));
            if (at < 200) scheduler.Apply(new BuilderHeld(at + 60, 1, true));
            if (at < 200) Assert.Empty(Starts(scheduler.Decide(at + 60)));
        }

        Assert.Equal([(0, 1)], Starts(scheduler.Decide(260)));
    }

    [Fact]
    public void A_build_that_asks_for_cores_does_not_wait_for_ever_for_a_builder_that_is_held()
    {
        FarmBuilder[] farm = [Builder("few") with { Cores = 4 }, Builder("many") with { Cores = 16 }];
        var scheduler = Scheduler([Job("a") with { StatedCores = 16 }], farm);
        scheduler.Apply(new BuilderHeld(0, 1, true));
        Assert.Empty(Starts(scheduler.Decide(0)));

        Assert.Equal([(0, 0)], Starts(scheduler.Decide(BuilderState.PatienceWithHeld)));
    }

    [Fact]
    public void A_build_that_turns_out_to_need_more_is_placed_where_there_is_more()
    {
        FarmBuilder[] farm = [Builder("small", speed: 10) with { Memory = 8 * GB }, Builder("large") with { Memory = 32 * GB }];
        var scheduler = Needing([4, 4], farm, 10, 5);
        Assert.Equal([(0, 0)], Starts(scheduler.Decide(0)));
        scheduler.Apply(new EstimateChanged(1, 1, new Estimate(5, 0, 0) { Memory = 20 * GB }));

        Assert.Equal([(1, 1)], Starts(scheduler.Decide(1)));
    }

    [Fact]
    public void A_build_that_was_killed_beside_others_has_a_machine_to_itself_the_next_time()
    {
        var scheduler = Needing([4, 4, 0], [Builder("b", 3) with { Memory = 16 * GB }], 10, 9, 8);
        Assert.Equal(3, Starts(scheduler.Decide(0)).Length);

        foreach (var happened in MemoryShortage.After(scheduler, 0, 0, 1)) scheduler.Apply(happened);

        scheduler.Apply(new JobFinished(2, 1, 0, 0));
        Assert.Empty(Starts(scheduler.Decide(2)));
        scheduler.Apply(new JobFinished(3, 2, 0, 0));
        Assert.Equal([(0, 0)], Starts(scheduler.Decide(3)));
        // Not even what needs nothing is built beside it.
        scheduler.Apply(new WorkAdded(4, [Job("small")], [new Estimate(1, 0, 0)], []));
        Assert.Empty(Starts(scheduler.Decide(4)));
    }

    [Fact]
    public void A_build_that_was_killed_beside_others_goes_to_a_larger_builder_where_there_is_one()
    {
        FarmBuilder[] farm = [Builder("small", 2, speed: 9) with { Memory = 8 * GB }, Builder("large") with { Memory = 32 * GB }];
        var scheduler = Needing([3, 3], farm, 50, 40);
        Assert.Equal([(0, 0), (1, 0)], Starts(scheduler.Decide(0)));

        foreach (var happened in MemoryShortage.After(scheduler, 0, 0, 1)) scheduler.Apply(happened);

        Assert.Equal([(0, 1)], Starts(scheduler.Decide(1)));
    }

    [Fact]
    public void A_build_that_was_killed_beside_others_may_have_the_machine_though_it_is_thought_too_large_for_it_by_now()
    {
        var scheduler = Needing([4, 4], [Builder("b", 3) with { Memory = 16 * GB }], 10, 9);
        Assert.Equal(2, Starts(scheduler.Decide(0)).Length);
        scheduler.Apply(new EstimateChanged(1, 0, new Estimate(10, 0, 0) { Memory = 20 * GB }));

        foreach (var happened in MemoryShortage.After(scheduler, 0, 0, 1)) scheduler.Apply(happened);
        scheduler.Apply(new JobFinished(2, 1, 0, 0));

        Assert.Equal([(0, 0)], Starts(scheduler.Decide(2)));
        Assert.Contains(
            new JobFailed(3, 0, 0, FailureKind.RetryElsewhere), MemoryShortage.After(scheduler, 0, 0, 3));
    }

    [Fact]
    public void A_build_that_was_killed_alone_is_built_where_there_is_more()
    {
        FarmBuilder[] farm =
        [
            Builder("small", speed: 9) with { Memory = 8 * GB },
            Builder("same", speed: 8) with { Memory = 8 * GB },
            Builder("large") with { Memory = 32 * GB },
        ];
        var scheduler = Needing([4], farm);
        Assert.Equal([(0, 0)], Starts(scheduler.Decide(0)));

        foreach (var happened in MemoryShortage.After(scheduler, 0, 0, 1)) scheduler.Apply(happened);

        Assert.Equal([(0, 2)], Starts(scheduler.Decide(1)));
    }

    [Theory]
    [InlineData(SchedulingRule.StockNix)]
    [InlineData(SchedulingRule.Hydra)]
    public void The_rules_of_others_know_nothing_of_memory(SchedulingRule rule)
    {
        Job[] jobs = [Job("a"), Job("b")];
        Estimate[] estimates = [.. jobs.Select(_ => new Estimate(1, 0, 0) { Memory = 60 * GB })];
        var scheduler = new Scheduler(
            new JobGraph(jobs), [Builder("b", 4) with { Memory = 8 * GB }], estimates, new SchedulerOptions { Policy = rule });

        Assert.Equal(2, Starts(scheduler.Decide(0)).Length);
    }

    private static int Running(Scheduler scheduler, int builder) =>
        Enumerable.Range(0, scheduler.Graph.Count).Count(job => scheduler.Runs(job, builder));

    private static Scheduler Make(IReadOnlyList<Job> jobs, FarmBuilder[] farm, Estimate[] estimates) =>
        new(new JobGraph(jobs), farm, estimates, new SchedulerOptions { Policy = SchedulingRule.EarliestFinish });

    /// <summary>Jobs that need so many GB.</summary>
    private static Scheduler Needing(double[] needs, FarmBuilder[] farm, params double[] seconds)
    {
        Job[] jobs = [.. needs.Select((_, i) => Job($"a{i}"))];
        return Make(jobs, farm, [.. Estimates(jobs, seconds).Select((estimate, i) => estimate with { Memory = (long)(needs[i] * GB) })]);
    }
}
