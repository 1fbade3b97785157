using NixBuildFarm.Scheduling;
using static NixBuildFarm.Core.Tests.Scheduling.Given;
using static NixBuildFarm.Scheduling.SchedulingEvent;

namespace NixBuildFarm.Core.Tests.Scheduling;

public class SchedulerTests
{
    [Fact]
    public void A_job_starts_only_when_its_dependencies_are_done()
    {
        var scheduler = Scheduler([Job("a"), Job("b", 0)], [Local(2)]);

        Assert.Equal([(0, 0)], Starts(scheduler.Decide(0)));
        scheduler.Apply(new JobStarted(0, 0, 0));
        Assert.Empty(scheduler.Decide(0.5));
        scheduler.Apply(new JobFinished(1, 0, 0, 10));
        Assert.Equal([(1, 0)], Starts(scheduler.Decide(1)));
    }

    [Fact]
    public void A_job_that_turns_out_to_need_more_waits_for_that_too()
    {
        // Nobody builds what is to be found out.
        var scheduler = Scheduler([Job("unknown") with { System = "none" }, Job("user", 0), Job("top", 1)], [Local(2)]);
        Assert.Empty(Starts(scheduler.Decide(0)));

        scheduler.Apply(new WorkAdded(1, [Job("found"), Job("urgent")], Estimates([Job("found"), Job("urgent")], 1, 1.5), []));
        scheduler.Apply(new NeedsFound(1, [1], [3]));
        scheduler.Apply(new JobResolved(1, 0, ExternalOutcome.Available));

        // What the user and the top wait for goes first, though it is shorter.
        Assert.Equal([3, 4], Starts(scheduler.Decide(1)).Select(start => start.Job));
        Assert.Equal([0, 3], scheduler.Graph.DependenciesOf(1).ToArray());
        Assert.Equal(JobState.Waiting, scheduler.StateOf(1));
        scheduler.Apply(new JobStarted(1, 3, 0));
        scheduler.Apply(new JobFinished(2, 3, 0, 10));
        Assert.Equal([1], Starts(scheduler.Decide(2)).Select(start => start.Job));
        scheduler.Apply(new JobStarted(2, 1, 0));
        scheduler.Apply(new JobFinished(3, 1, 0, 10));
        Assert.Equal([2], Starts(scheduler.Decide(3)).Select(start => start.Job));
    }

    [Fact]
    public void A_job_that_turns_out_to_need_what_was_given_up_is_given_up()
    {
        var scheduler = Scheduler([Job("unknown") with { System = "none" }, Job("user", 0), Job("other")], [Local()]);
        scheduler.Apply(new JobResolved(0, 2, ExternalOutcome.Cancelled));

        scheduler.Apply(new NeedsFound(0, [1], [2]));

        Assert.Equal(new SchedulingDecision.Abandon(1, 2), Assert.Single(scheduler.Decide(0).OfType<SchedulingDecision.Abandon>()));
    }

    [Fact]
    public void Jobs_cannot_turn_out_to_need_what_waits_for_them()
    {
        var scheduler = Scheduler([Job("unknown") with { System = "none" }, Job("user", 0), Job("top", 1)], [Local()]);

        Assert.True(scheduler.Graph.WouldBeCircle([1], [2]));
        Assert.Throws<InvalidOperationException>(() => scheduler.Apply(new NeedsFound(0, [1], [2])));
        Assert.Equal([0], scheduler.Graph.DependenciesOf(1).ToArray());
    }

    [Fact]
    public void The_longest_chain_goes_first()
    {
        var scheduler = Scheduler([Job("short"), Job("head"), Job("tail", 1)], [Local()], 5, 1, 9);

        Assert.Equal([(1, 0)], Starts(scheduler.Decide(0)));
    }

    [Fact]
    public void A_machine_that_is_configured_for_more_jobs_than_cores_runs_them_all_on_one_core_each()
    {
        var jobs = Enumerable.Range(0, 5).Select(i => Job($"job{i}") with { EnableParallelBuilding = true }).ToArray();
        var scheduler = new Scheduler(
            new JobGraph(jobs), [Local(4) with { Cores = 2 }], Estimates(jobs),
            new SchedulerOptions { Policy = SchedulingRule.EarliestFinish, Moldable = true });

        var starts = scheduler.Decide(0).OfType<SchedulingDecision.Start>().ToArray();

        Assert.Equal(4, starts.Length);
        Assert.All(starts, start => Assert.Equal(1, start.Cores));
    }

    [Fact]
    public void A_lonely_build_gets_no_more_cores_than_the_machine_has()
    {
        Job[] jobs = [Job("lonely") with { EnableParallelBuilding = true }];
        var scheduler = new Scheduler(
            new JobGraph(jobs), [Local(4) with { Cores = 2 }], Estimates(jobs),
            new SchedulerOptions { Policy = SchedulingRule.EarliestFinish, Moldable = true });

        Assert.Equal(2, Assert.IsType<SchedulingDecision.Start>(Assert.Single(scheduler.Decide(0))).Cores);
    }

    [Fact]
    public void A_priority_beats_the_rank()
    {
        var scheduler = Scheduler([Job("long"), Job("urgent") with { Priority = 1 }], [Local()], 100, 1);

        Assert.Equal([(1, 0)], Starts(scheduler.Decide(0)));
    }

    [Fact]
    public void A_job_goes_where_it_ends_first()
    {
        var scheduler = Scheduler([Job("a")], [Local(speed: 0.5), Builder("fast", speed: 2)], 10);

        Assert.Equal([(0, 1)], Starts(scheduler.Decide(0)));
    }

    [Fact]
    public void The_less_is_known_of_a_job_the_more_a_faster_builder_is_worth()
    {
        // At its median of 6 s it would end here before its inputs were there; by its mean of 30 s the distant builder is twice as good.
        Job[] jobs = [Job("a") with { ExternalInputBytes = 1_000_000_000 }];
        FarmBuilder[] farm = [Local(), Builder("fast", speed: 10) with { DownloadBandwidth = 1e8 }];

        Assert.Equal([(0, 0)], Starts(Known(spread: 0).Decide(0)));
        Assert.Equal([(0, 1)], Starts(Known(spread: 1.8).Decide(0)));

        Scheduler Known(double spread) =>
            new(new JobGraph(jobs), farm, [new Estimate(6, spread, 0)], new SchedulerOptions { Policy = SchedulingRule.EarliestFinish });
    }

    [Fact]
    public void A_job_waits_for_a_faster_builder_when_that_ends_earlier()
    {
        var scheduler = Scheduler([Job("first"), Job("second"), Job("third")], [Builder("fast", speed: 10), Local(speed: 0.1)], 9, 8, 0.1);

        Assert.Equal([(0, 0), (2, 1)], Starts(scheduler.Decide(0)));
        Assert.Equal(JobState.Ready, scheduler.StateOf(1));
        scheduler.Apply(new JobStarted(0, 0, 0));
        scheduler.Apply(new JobFinished(0.9, 0, 0, 0));
        Assert.Equal([(1, 0)], Starts(scheduler.Decide(0.9)));
    }

    [Fact]
    public void Inputs_that_would_have_to_move_weigh_against_a_builder()
    {
        var slowLink = Builder("remote", speed: 1.5) with { DownloadBandwidth = 1e6 };
        var scheduler = Scheduler([Job("input") with { PreferLocal = true }, Job("user", 0)], [slowLink, Local()], 1, 10);
        Assert.Equal([(0, 1)], Starts(scheduler.Decide(0)));
        scheduler.Apply(new JobStarted(0, 0, 1));
        scheduler.Apply(new JobFinished(1, 0, 1, 1_000_000_000));

        Assert.Equal([(1, 1)], Starts(scheduler.Decide(1)));
    }

    [Fact]
    public void Inputs_are_moved_ahead_in_time_although_nothing_else_happens()
    {
        var ruby = Builder("ruby") with { DownloadBandwidth = 1e8 };
        var scheduler = Scheduler([Job("running"), Job("next") with { ExternalInputBytes = 100_000_000 }], [ruby], 100, 1);
        Assert.Equal([(0, 0)], Starts(scheduler.Decide(0)));
        scheduler.Apply(new JobStarted(0, 0, 0));
        Assert.Empty(scheduler.Decide(0));

        // The transfer takes a second; it begins some seconds before the slot is free.
        var wakeup = Assert.NotNull(scheduler.NextWakeup);
        Assert.InRange(wakeup, 80, 99);
        Assert.Empty(scheduler.Decide(wakeup / 2));
        Assert.Equal(wakeup, scheduler.NextWakeup);
        Assert.Equal([new SchedulingDecision.Prefetch(1, 0)], scheduler.Decide(wakeup));
    }

    [Fact]
    public void Inputs_are_not_moved_ahead_from_a_builder_that_may_take_the_job_itself()
    {
        FarmBuilder[] farm = [Builder("kana") with { UploadBandwidth = 1e8 }, Builder("ruby") with { DownloadBandwidth = 1e8 }];
        Job[] jobs = [Job("input"), Job("three"), Job("five", 0), Job("user", 0)];

        // Ruby should be free long before kana, which has the input. Where that is vague, it may be the other way round.
        Assert.Equal([new SchedulingDecision.Prefetch(3, 1)], Ahead(spread: 0));
        Assert.Empty(Ahead(spread: 1));

        SchedulingDecision.Prefetch[] Ahead(double spread)
        {
            var estimates = Estimates(jobs, 1, 3, 5, 1).Select(e => e with { Spread = spread }).ToArray();
            var scheduler = new Scheduler(
                new JobGraph(jobs), farm, estimates, new SchedulerOptions { Policy = SchedulingRule.EarliestFinish });
            Assert.Equal([(0, 0), (1, 1)], Starts(scheduler.Decide(0)));
            scheduler.Apply(new JobStarted(0, 0, 0));
            scheduler.Apply(new JobStarted(0, 1, 1));
            scheduler.Apply(new JobFinished(1, 0, 0, 100_000_000));
            var decisions = scheduler.Decide(1);
            Assert.Equal([(2, 0)], Starts(decisions));
            return [.. decisions.OfType<SchedulingDecision.Prefetch>()];
        }
    }

    [Fact]
    public void Jobs_whose_outputs_are_needed_together_start_on_one_builder()
    {
        var scheduler = Scheduler(
            [Job("a0"), Job("b0"), Job("a1"), Job("b1"), Job("a", 0, 2), Job("b", 1, 3)], [Builder("kana", 2), Builder("ruby", 2)]);

        Assert.Equal([(0, 0), (1, 1), (2, 0), (3, 1)], Starts(scheduler.Decide(0)).Order());
    }

    [Fact]
    public void Of_equally_urgent_jobs_a_builder_takes_the_one_whose_output_is_needed_there()
    {
        var scheduler = Scheduler(
            [Job("a0"), Job("b0"), Job("a1"), Job("b1"), Job("a", 0, 2), Job("b", 1, 3)], [Builder("kana"), Builder("ruby")]);
        Assert.Equal([(0, 0), (1, 1)], Starts(scheduler.Decide(0)));

        scheduler.Apply(new JobFinished(1, 1, 1, 0));

        Assert.Equal([(3, 1)], Starts(scheduler.Decide(1)));
    }

    [Fact]
    public void Of_equally_urgent_jobs_a_builder_takes_the_one_whose_inputs_were_built_there()
    {
        var scheduler = Scheduler(
            [Job("a0"), Job("b0"), Job("a1"), Job("b1"), Job("a", 0, 2), Job("b", 1, 3)], [Builder("kana", 2), Builder("ruby", 2)]);
        scheduler.Decide(0);
        foreach (var (job, builder) in new[] { (0, 0), (2, 0), (1, 1), (3, 1) }) scheduler.Apply(new JobFinished(1, job, builder, 0));

        Assert.Equal([(4, 0), (5, 1)], Starts(scheduler.Decide(1)).Order());
    }

    [Fact]
    public void A_more_urgent_job_goes_first_wherever_the_others_of_its_family_are()
    {
        var scheduler = Scheduler(
            [Job("a0"), Job("b0"), Job("a1"), Job("b1"), Job("a", 0, 2), Job("b", 1, 3)],
            [Builder("kana"), Builder("ruby")],
            9,
            8,
            7,
            6,
            1,
            1);
        Assert.Equal([(0, 0), (1, 1)], Starts(scheduler.Decide(0)));

        scheduler.Apply(new JobFinished(8, 1, 1, 0));

        Assert.Equal([(2, 1)], Starts(scheduler.Decide(8)));
    }

    [Fact]
    public void No_builder_stays_idle_to_keep_a_family_together()
    {
        var scheduler = Scheduler([Job("a0"), Job("a1"), Job("a", 0, 1)], [Builder("kana"), Builder("ruby")]);

        Assert.Equal([(0, 0), (1, 1)], Starts(scheduler.Decide(0)));
    }

    [Fact]
    public void An_event_that_is_applied_twice_is_refused_and_changes_nothing()
    {
        var scheduler = Scheduler([Job("a"), Job("b", 0)], [Local()]);
        scheduler.Decide(0);
        scheduler.Apply(new JobFinished(1, 0, 0, 0));

        var error = Assert.Throws<InvalidOperationException>(() => scheduler.Apply(new JobFinished(1, 0, 0, 0)));

        Assert.Contains("a does not run on local", error.Message);
        Assert.Equal([(1, 0)], Starts(scheduler.Decide(1)));
    }

    [Fact]
    public void Time_does_not_run_backwards()
    {
        var scheduler = Scheduler([Job("a")], [Local()]);
        scheduler.Decide(5);
        scheduler.Apply(new JobStarted(5, 0, 0));

        Assert.Throws<InvalidOperationException>(() => scheduler.Apply(new JobFinished(4, 0, 0, 0)));
    }

    [Fact]
    public void A_permanent_failure_abandons_what_depends_on_it_and_nothing_else()
    {
        var scheduler = Scheduler([Job("bad"), Job("child", 0), Job("grandchild", 1), Job("other")], [Local()]);
        scheduler.Decide(0);
        scheduler.Apply(new JobFailed(1, 0, 0, FailureKind.Permanent));

        var decisions = scheduler.Decide(1);

        Assert.Equal([1, 2], decisions.OfType<SchedulingDecision.Abandon>().Select(a => a.Job));
        Assert.Equal([(3, 0)], Starts(decisions));
        Assert.Equal(JobState.Failed, scheduler.StateOf(0));
        Assert.Equal(1, scheduler.Remaining);
    }

    [Fact]
    public void A_job_that_failed_by_the_fault_of_its_builder_is_tried_elsewhere()
    {
        var scheduler = Scheduler([Job("a")], [Builder("sick", speed: 2), Builder("well")]);
        Assert.Equal([(0, 0)], Starts(scheduler.Decide(0)));
        scheduler.Apply(new JobFailed(1, 0, 0, FailureKind.RetryElsewhere));

        Assert.Equal([(0, 1)], Starts(scheduler.Decide(1)));
        Assert.Equal(["the job has failed there, or cannot be built there", null], scheduler.WhyNot(0));
    }

    [Fact]
    public void A_job_that_failed_on_its_only_builder_has_no_builder_left()
    {
        var scheduler = Scheduler([Job("a")], [Builder("sick")]);
        scheduler.Decide(0);
        scheduler.Apply(new JobFailed(1, 0, 0, FailureKind.RetryElsewhere));

        Assert.Equal([new SchedulingDecision.NoBuilder(0)], scheduler.Decide(1));
        Assert.Empty(scheduler.Decide(2));
        scheduler.Apply(new BuilderJoined(3, Builder("new")));
        Assert.Equal([(0, 1)], Starts(scheduler.Decide(3)));
    }

    [Fact]
    public void The_jobs_of_a_lost_builder_go_elsewhere()
    {
        var scheduler = Scheduler([Job("a"), Job("b")], [Builder("fast", 2, 4), Builder("slow", 2)], 10, 10);
        Assert.Equal([(0, 0), (1, 0)], Starts(scheduler.Decide(0)));
        scheduler.Apply(new BuilderLost(1, 0));

        Assert.Equal([(0, 1), (1, 1)], Starts(scheduler.Decide(1)));
        Assert.Throws<InvalidOperationException>(() => scheduler.Apply(new JobFinished(2, 0, 0, 0)));
    }

    [Fact]
    public void A_finished_job_whose_outputs_are_lost_is_done_again_before_what_needs_it()
    {
        var scheduler = Scheduler([Job("a"), Job("b", 0)], [Builder("first", speed: 2), Builder("second")]);
        scheduler.Decide(0);
        scheduler.Apply(new JobFinished(1, 0, 0, 5));
        Assert.Equal([0], scheduler.OutputsOnlyOn(0));
        scheduler.Apply(new OutputsLost(2, 0));
        scheduler.Apply(new BuilderLost(2, 0));

        Assert.Equal([(0, 1)], Starts(scheduler.Decide(2)));
        scheduler.Apply(new JobFinished(3, 0, 1, 5));
        Assert.Equal([(1, 1)], Starts(scheduler.Decide(3)));
    }

    [Fact]
    public void A_job_that_fails_after_what_it_needs_was_given_up_is_given_up_too()
    {
        var scheduler = Scheduler([Job("a"), Job("b", 0), Job("c", 1)], [Local()]);
        scheduler.Decide(0);
        scheduler.Apply(new JobFinished(1, 0, 0, 10));
        scheduler.Decide(1);
        scheduler.Apply(new OutputsLost(2, 0));
        scheduler.Apply(new JobResolved(2, 0, ExternalOutcome.Cancelled));

        scheduler.Apply(new JobFailed(3, 1, 0, FailureKind.Retry));

        Assert.Equal(
            [(1, 0), (2, 1)], scheduler.Decide(3).OfType<SchedulingDecision.Abandon>().Select(abandon => (abandon.Job, abandon.Cause)));
        Assert.Equal(0, scheduler.Remaining);
    }

    [Fact]
    public void A_job_whose_outputs_are_lost_after_what_it_needs_was_given_up_is_given_up_too()
    {
        var scheduler = Scheduler([Job("a"), Job("b", 0)], [Local()]);
        scheduler.Decide(0);
        scheduler.Apply(new JobFinished(1, 0, 0, 10));
        scheduler.Decide(1);
        scheduler.Apply(new JobFinished(2, 1, 0, 10));
        scheduler.Apply(new OutputsLost(3, 0));
        scheduler.Apply(new JobResolved(3, 0, ExternalOutcome.Cancelled));

        scheduler.Apply(new OutputsLost(3, 1));

        Assert.Equal(
            (1, 0),
            Assert.Single(scheduler.Decide(3).OfType<SchedulingDecision.Abandon>().Select(abandon => (abandon.Job, abandon.Cause))));
    }

    [Fact]
    public void A_drained_builder_ends_its_job_and_takes_no_other()
    {
        var scheduler = Scheduler([Job("a"), Job("b", 0)], [Builder("fast", speed: 4), Builder("slow")], 1, 1);
        scheduler.Decide(0);
        scheduler.Apply(new BuilderDrained(1, 0));
        scheduler.Apply(new JobFinished(2, 0, 0, 0));

        Assert.Equal([(1, 1)], Starts(scheduler.Decide(2)));
    }

    [Fact]
    public void A_job_that_was_substituted_frees_what_waits_for_it()
    {
        var scheduler = Scheduler([Job("a"), Job("b", 0)], [Local()]);
        scheduler.Apply(new JobResolved(0, 0, ExternalOutcome.Available));

        Assert.Equal([(1, 0)], Starts(scheduler.Decide(0)));
        Assert.Throws<InvalidOperationException>(() => scheduler.Apply(new JobResolved(1, 1, ExternalOutcome.Available)));
    }

    [Fact]
    public void A_builder_with_fewer_slots_than_running_jobs_ends_them_first()
    {
        var jobs = Enumerable.Range(0, 4).Select(i => Job($"j{i}")).ToArray();
        var scheduler = Scheduler(jobs, [Local(3)]);
        Assert.Equal(3, Starts(scheduler.Decide(0)).Length);
        scheduler.Apply(new BuilderChanged(1, 0, Local()));
        scheduler.Apply(new JobFinished(2, 0, 0, 0));
        scheduler.Apply(new JobFinished(2, 1, 0, 0));
        Assert.Empty(Starts(scheduler.Decide(2)));
        scheduler.Apply(new JobFinished(3, 2, 0, 0));

        Assert.Equal([(3, 0)], Starts(scheduler.Decide(3)));
    }

    [Fact]
    public void A_better_estimate_moves_a_job_in_the_queue()
    {
        var scheduler = Scheduler([Job("a"), Job("b"), Job("c")], [Local()], 3, 2, 1);
        scheduler.Decide(0);
        scheduler.Apply(new EstimateChanged(0.5, 2, new Estimate(50, 0, 0)));
        scheduler.Apply(new JobFinished(3, 0, 0, 0));

        Assert.Equal([(2, 0)], Starts(scheduler.Decide(3)));
    }
}
