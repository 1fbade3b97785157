using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Core.Tests.Scheduling;

/// <summary>Several users want work of one farm.</summary>
public class FairSharesTests
{
    private const int Alice = 0, Bob = 1, Carol = 2;

    [Fact]
    public void Users_who_have_work_get_the_same_number_of_slots_however_much_each_wants()
    {
        var (jobs, seconds) = Jobs([.. Enumerable.Repeat(Alice, 20), .. Enumerable.Repeat(Bob, 4)]);

        var starts = Given.Starts(Given.Scheduler(jobs, [Given.Builder("ruby", slots: 4)], seconds).Decide(0));

        Assert.Equal([Alice, Alice, Bob, Bob], starts.Select(start => jobs[start.Job].Users[0]).Order());
    }

    [Fact]
    public void A_slot_that_becomes_free_goes_to_the_user_who_has_fewest_although_the_job_of_another_is_more_urgent()
    {
        var (jobs, seconds) = Jobs([Alice, Alice, Alice, Bob]);
        (seconds[0], seconds[1], seconds[2], seconds[3]) = (50, 40, 30, 1);
        var scheduler = Given.Scheduler(jobs, [Given.Builder("ruby", slots: 2)], seconds);

        Assert.Equal([0, 3], Given.Starts(scheduler.Decide(0)).Select(start => start.Job));
    }

    [Fact]
    public void One_user_alone_has_the_whole_farm_and_the_others_have_their_part_as_soon_as_slots_become_free()
    {
        var (jobs, seconds) = Jobs([.. Enumerable.Repeat(Alice, 8)]);
        var scheduler = Given.Scheduler(jobs, [Given.Builder("ruby", slots: 4)], seconds);
        int[] running = [.. Given.Starts(scheduler.Decide(0)).Select(start => start.Job)];
        Assert.Equal(4, running.Length);

        var (more, _) = Jobs([.. Enumerable.Repeat(Bob, 8)]);
        scheduler.Apply(new SchedulingEvent.WorkAdded(1, more, Given.Estimates(more), []));
        Assert.Empty(Given.Starts(scheduler.Decide(1)));
        foreach (var job in running[..3]) Finish(scheduler, job, 2);

        Assert.Equal(
            [Alice, Bob, Bob], Given.Starts(scheduler.Decide(2)).Select(start => scheduler.Graph[start.Job].Users[0]).Order());
    }

    [Fact]
    public void What_two_want_counts_half_for_each()
    {
        var (jobs, seconds) = Jobs([Alice, Alice, Alice, Carol, Carol, Carol]);
        jobs[0] = jobs[0] with { Users = [Alice, Bob] };
        jobs[1] = jobs[1] with { Users = [Alice, Bob] };
        (seconds[0], seconds[1]) = (90, 80);

        var starts = Given.Starts(Given.Scheduler(jobs, [Given.Builder("ruby", slots: 4)], seconds).Decide(0));

        // Both: 1/2 each; Carol: 1; both: 1 each; then all have one, and Alice's job is the first of them.
        Assert.Equal([0, 3, 1, 2], starts.Select(start => start.Job));
    }

    [Fact]
    public void A_build_that_has_the_cores_of_several_slots_counts_as_several()
    {
        Job[] jobs =
        [
            Given.Job("large") with { Users = [Alice], EnableParallelBuilding = true },
            .. Jobs([Alice, Alice, Alice, Bob, Bob, Bob]).Jobs,
        ];
        var farm = (FarmBuilder[])[Given.Builder("ruby", slots: 4) with { Cores = 8 }, Given.Builder("kana", slots: 4) with { Cores = 8 }];
        var scheduler = new Scheduler(
            new([jobs[0]]), farm, Given.Estimates(jobs[..1], 1000), new() { Policy = SchedulingRule.EarliestFinish, Moldable = true });
        var large = Assert.Single(scheduler.Decide(0).OfType<SchedulingDecision.Start>());
        Assert.Equal(8, large.Cores);

        scheduler.Apply(new SchedulingEvent.WorkAdded(1, jobs[1..], Given.Estimates(jobs[1..]), []));

        // Alice has four slots of eight by now: the next three are Bob's.
        Assert.Equal(
            [Bob, Bob, Bob, Alice], Given.Starts(scheduler.Decide(1)).Select(start => scheduler.Graph[start.Job].Users[0]));
    }

    [Fact]
    public void A_priority_orders_the_jobs_of_its_user_and_not_those_of_others()
    {
        var (jobs, seconds) = Jobs([Alice, Alice, Bob]);
        jobs[1] = jobs[1] with { Priority = 1 };
        (seconds[0], seconds[1], seconds[2]) = (5, 1, 3);
        var scheduler = Given.Scheduler(jobs, [Given.Builder("ruby")], seconds);

        // Bob's is longer than what Alice has put first; that she has is her own affair.
        Assert.Equal([2], Given.Starts(scheduler.Decide(0)).Select(start => start.Job));
        Finish(scheduler, 2, 1);
        Assert.Equal([1], Given.Starts(scheduler.Decide(1)).Select(start => start.Job));
    }

    [Fact]
    public void Nobody_waits_for_a_user_whose_jobs_no_idle_builder_may_take()
    {
        var (jobs, seconds) = Jobs([Alice, Alice, Bob]);
        jobs[2] = jobs[2] with { System = Given.Arm };

        var arm = Given.Builder("opal") with { Systems = [new(Given.Arm, 1)] };
        var scheduler = Given.Scheduler(jobs, [Given.Builder("ruby", slots: 2), arm with { MaxJobs = 0 }], seconds);

        Assert.Equal([0, 1], Given.Starts(scheduler.Decide(0)).Select(start => start.Job));
    }

    [Fact]
    public void Who_wants_a_job_may_change_while_it_waits_and_while_it_runs()
    {
        var (jobs, seconds) = Jobs([Alice, Alice, Alice, Bob, Bob]);
        var scheduler = Given.Scheduler(jobs, [Given.Builder("ruby", slots: 2)], seconds);
        int[] running = [.. Given.Starts(scheduler.Decide(0)).Select(start => start.Job)];
        Assert.Equal([0, 3], running);

        // Bob alone wants what runs for Alice; and Alice has what was Bob's.
        scheduler.Apply(new SchedulingEvent.ClaimsChanged(1, [new(0, [Bob], 0), new(4, [Alice], 1)]));
        Finish(scheduler, 3, 1);

        Assert.Equal([4], Given.Starts(scheduler.Decide(1)).Select(start => start.Job));
    }

    private static void Finish(Scheduler scheduler, int job, double at)
    {
        scheduler.Apply(new SchedulingEvent.JobStarted(at, job, 0));
        scheduler.Apply(new SchedulingEvent.JobFinished(at, job, 0, 0));
    }

    private static (Job[] Jobs, double[] Seconds) Jobs(int[] users) =>
        ([.. users.Select((user, i) => Given.Job($"job{i}") with { Users = [user] })], [.. users.Select(_ => 1.0)]);
}
