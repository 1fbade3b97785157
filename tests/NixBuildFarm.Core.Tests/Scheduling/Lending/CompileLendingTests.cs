using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Lending;
using static NixBuildFarm.Core.Tests.Scheduling.Given;
using static NixBuildFarm.Scheduling.SchedulingEvent;
using Asked = NixBuildFarm.Scheduling.Lending.LendingEvent.CompileAsked;
using Begin = NixBuildFarm.Scheduling.Lending.LendingDecision.Begin;
using Ended = NixBuildFarm.Scheduling.Lending.LendingEvent.CompileEnded;
using Home = NixBuildFarm.Scheduling.Lending.LendingDecision.Home;
using Lend = NixBuildFarm.Scheduling.Lending.LendingDecision.Lend;
using Prepare = NixBuildFarm.Scheduling.Lending.LendingDecision.Prepare;
using Recall = NixBuildFarm.Scheduling.Lending.LendingDecision.Recall;

namespace NixBuildFarm.Core.Tests.Scheduling.Lending;

public class CompileLendingTests
{
    private const int A = 0, B = 1, C = 2;
    private static readonly CompileEstimate Compiles = new(0.8, 2);

    [Fact]
    public void Compiles_fill_the_places_at_home_then_those_of_helpers_and_wait_for_the_rest_in_turn()
    {
        var (_, lending) = Shared([Parallel("big")], [AtHome(2), Builder("b", 2)], homePlaces: 2);

        Assert.Equal([new Home(0), new Home(1), new Lend(2, B), new Lend(3, B)], Ask(lending, 0, 0, 1, 2, 3, 4, 5));

        lending.Apply(new Ended(1, 0));
        Assert.Equal([new Home(4)], lending.Decide());
        lending.Apply(new LendingEvent.LoanEnded(2, 2, B, LoanEnd.Delivered));
        Assert.Equal([new Lend(5, B)], lending.Decide());
    }

    [Fact]
    public void A_free_slot_lends_its_part_of_the_cores_and_never_cores_that_are_in_use()
    {
        var (scheduler, lending) = Given(
            [Parallel("big"), Job("other")], [AtHome() with { Cores = 4 }, Builder("b", 2) with { Cores = 8 }], 9, 1);
        scheduler.Decide(0);
        Assert.True(scheduler.Runs(1, B));
        Open(lending, 0, 0, A, homePlaces: 1);
        Ask(lending, 0, Enumerable.Range(0, 12).Select(i => (long)i).ToArray());

        Assert.Equal(4, lending.LentBy(B));
    }

    [Fact]
    public void A_helper_compiles_nothing_before_it_is_ready_or_when_it_is_unfit()
    {
        var (scheduler, lending) = Given([Parallel("big")], [AtHome(), Builder("b"), Builder("c")]);
        scheduler.Decide(0);
        lending.Apply(new LendingEvent.BuildOpened(0, 7, 0, A, 1, lending.CoresToTell(0, A, 1)));
        Assert.Equal([new Prepare(7, B), new Prepare(7, C)], lending.Decide());
        lending.Apply(new Asked(1, 7, 1));
        lending.Apply(new Asked(1, 7, 2));
        Assert.Equal([new Home(1)], lending.Decide());
        lending.Apply(new LendingEvent.HelperUnfit(2, 7, B));
        Assert.Empty(lending.Decide());
        lending.Apply(new LendingEvent.HelperReady(2, 7, C));

        Assert.Equal([new Lend(2, C)], lending.Decide());
    }

    [Fact]
    public void No_more_helpers_are_asked_for_than_the_build_can_use()
    {
        // Eight times the cores of home, whatever the farm has; one of them is in use at home.
        FarmBuilder[] farm =
        [
            AtHome() with { Cores = 1 }, .. Enumerable.Range(0, 20).Select(i => Builder($"b{i}", speed: 0.5 + i / 100.0)),
        ];
        var (scheduler, lending) = Given([Parallel("big")], farm);
        scheduler.Decide(0);
        lending.Apply(new LendingEvent.BuildOpened(0, 1, 0, A, 1, lending.CoresToTell(0, A, 1)));

        Assert.Equal(Enumerable.Range(14, 7).Reverse().Select(b => new Prepare(1, b)), lending.Decide());
    }

    [Fact]
    public void A_ready_job_has_a_slot_before_any_compile()
    {
        var (scheduler, lending) = Shared([Parallel("big"), Unbuildable, Job("next", 1)], [AtHome(), Builder("b", 2)], homePlaces: 1);
        scheduler.Apply(new JobResolved(1, 1, ExternalOutcome.Available));
        foreach (var compile in Enumerable.Range(0, 4)) lending.Apply(new Asked(1, 0, compile));

        Assert.Equal([(2, B)], Starts(scheduler.Decide(1)));
        Assert.True(lending.Claim(2, B));
        Assert.Equal([new Home(0), new Lend(1, B)], lending.Decide());

        scheduler.Apply(new JobFinished(2, 2, B, 0));
        scheduler.Decide(2);
        Assert.Equal([new Lend(2, B)], lending.Decide());
    }

    [Fact]
    public void A_job_that_is_given_a_slot_which_is_lent_begins_when_the_compile_in_it_has_ended_and_no_other_takes_its_place()
    {
        var (scheduler, lending) = Shared([Parallel("big"), Unbuildable, Job("next", 1)], [AtHome(), Builder("b")], homePlaces: 1);
        Assert.Equal([new Home(0), new Lend(1, B)], Ask(lending, 0, 0, 1, 2));

        scheduler.Apply(new JobResolved(1, 1, ExternalOutcome.Available));
        Assert.Equal([(2, B)], Starts(scheduler.Decide(1)));
        Assert.False(lending.Claim(2, B));
        Assert.Empty(lending.Decide());

        lending.Apply(new LendingEvent.LoanEnded(2, 1, B, LoanEnd.Delivered));
        Assert.Equal([new Begin(2, B)], lending.Decide());
    }

    [Fact]
    public void A_job_that_waits_for_a_lent_slot_and_is_called_off_is_not_told_to_begin()
    {
        var (scheduler, lending) = Shared([Parallel("big"), Unbuildable, Job("next", 1)], [AtHome(), Builder("b")], homePlaces: 1);
        Ask(lending, 0, 0, 1);
        scheduler.Apply(new JobResolved(1, 1, ExternalOutcome.Available));
        scheduler.Decide(1);
        lending.Claim(2, B);
        scheduler.Apply(new JobFailed(2, 2, B, FailureKind.Permanent));
        lending.Apply(new LendingEvent.LoanEnded(2, 1, B, LoanEnd.Delivered));

        Assert.Empty(lending.Decide());
    }

    [Fact]
    public void Builds_that_share_at_the_same_time_have_equal_parts_of_what_is_free()
    {
        var (scheduler, lending) = Given([Parallel("x"), Parallel("y")], [AtHome(), Builder("b"), Builder("c", 4, speed: 0.9)], 100, 100);
        Assert.Equal([(0, A), (1, B)], Starts(scheduler.Decide(0)));
        Open(lending, 0, 0, A, 1);
        Open(lending, 1, 1, B, 1);
        foreach (var compile in Enumerable.Range(0, 20)) lending.Apply(new Asked(0, compile / 10, compile));

        var lends = lending.Decide().OfType<Lend>().ToArray();

        Assert.Equal([2, 2], lends.GroupBy(lend => lend.Compile / 10).Select(group => group.Count()));
    }

    [Fact]
    public void A_build_that_begins_to_share_soon_has_as_much_as_one_that_does_already()
    {
        var (scheduler, lending) = Given([Parallel("x"), Parallel("y")], [AtHome(), Builder("b"), Builder("c", 4, speed: 0.9)], 100, 100);
        scheduler.Decide(0);
        Open(lending, 0, 0, A, 1);
        Open(lending, 1, 1, B, 1);
        Assert.Equal(4, Ask(lending, 0, Enumerable.Range(0, 10).Select(i => (long)i).ToArray()).OfType<Lend>().Count());
        Ask(lending, 1, Enumerable.Range(10, 10).Select(i => (long)i).ToArray());

        foreach (var ended in new[] { 1, 2 }) lending.Apply(new LendingEvent.LoanEnded(1, ended, C, LoanEnd.Delivered));

        Assert.All(lending.Decide(), decision => Assert.InRange(Assert.IsType<Lend>(decision).Compile, 10, 19));
    }

    [Fact]
    public void The_compiles_of_a_lost_helper_go_home_and_late_answers_do_no_harm()
    {
        var (scheduler, lending) = Shared([Parallel("big")], [AtHome(), Builder("b", 2)], homePlaces: 1);
        Ask(lending, 0, 0, 1, 2);
        scheduler.Apply(new BuilderLost(1, B));
        scheduler.Decide(1);
        Assert.Empty(lending.Decide());
        lending.Apply(new LendingEvent.LoanEnded(1, 1, B, LoanEnd.Delivered));
        lending.Apply(new Ended(2, 0));
        Assert.Equal([new Home(1)], lending.Decide());
        lending.Apply(new Ended(3, 1));

        Assert.Equal([new Home(2)], lending.Decide());
        Assert.Equal(0, lending.Loans);
    }

    [Fact]
    public void A_helper_that_was_lost_and_comes_back_is_prepared_again()
    {
        var (scheduler, lending) = Shared([Parallel("big")], [AtHome(), Builder("b")], homePlaces: 1);
        scheduler.Apply(new BuilderLost(1, B));
        scheduler.Decide(1);
        lending.Decide();
        scheduler.Apply(new BuilderJoined(2, Builder("b")));
        scheduler.Decide(2);

        Assert.Equal([new Prepare(0, B)], lending.Decide());
    }

    [Fact]
    public void A_drained_helper_ends_what_it_has_and_gets_nothing_new()
    {
        var (scheduler, lending) = Shared([Parallel("big")], [AtHome(), Builder("b")], homePlaces: 1);
        Ask(lending, 0, 0, 1, 2);
        scheduler.Apply(new BuilderDrained(1, B));
        scheduler.Decide(1);
        Assert.Empty(lending.Decide());
        lending.Apply(new LendingEvent.LoanEnded(1, 1, B, LoanEnd.Delivered));

        Assert.Empty(lending.Decide());
    }

    [Fact]
    public void A_helper_that_fails_three_times_in_a_row_compiles_no_more_for_this_build()
    {
        var (_, lending) = Shared([Parallel("big")], [AtHome(), Builder("b")], homePlaces: 9);
        var compile = 0L;
        for (; compile < 9; compile++) Assert.Equal([new Home(compile)], Ask(lending, 0, compile));
        for (var failure = 0; failure < 3; failure++, compile++)
        {
            Assert.Equal([new Lend(compile, B)], Ask(lending, 0, compile));
            lending.Apply(new LendingEvent.LoanEnded(1, compile, B, LoanEnd.Failed));
            lending.Apply(new Ended(1, compile - 9));
            Assert.Equal([new Home(compile)], lending.Decide());
        }

        Assert.Empty(Ask(lending, 0, compile));
    }

    [Fact]
    public void A_compile_that_does_not_fit_elsewhere_is_no_fault_of_the_helper()
    {
        var (_, lending) = Shared([Parallel("big")], [AtHome(), Builder("b")], homePlaces: 1);
        Ask(lending, 0, 0);
        for (var compile = 1L; compile < 6; compile++)
        {
            Assert.Equal([new Lend(compile, B)], Ask(lending, 0, compile));
            lending.Apply(new LendingEvent.LoanEnded(1, compile, B, LoanEnd.Unsuitable));
        }

        Assert.Equal([new Lend(6, B)], Ask(lending, 0, 6));
    }

    [Fact]
    public void A_compile_whose_shim_is_gone_is_recalled_and_its_place_lent_anew()
    {
        var (_, lending) = Shared([Parallel("big")], [AtHome(), Builder("b")], homePlaces: 1);
        Ask(lending, 0, 0, 1, 2);

        lending.Apply(new Ended(1, 1));

        Assert.Equal([new Recall(1, B), new Lend(2, B)], lending.Decide());
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void When_a_shared_build_ends_all_its_compiles_are_recalled(bool isTold)
    {
        var (scheduler, lending) = Shared([Parallel("big")], [AtHome(), Builder("b")], homePlaces: 1);
        Ask(lending, 0, 0, 1, 2, 3);
        scheduler.Apply(new JobFailed(1, 0, A, isTold ? FailureKind.Retry : FailureKind.Permanent));
        scheduler.Decide(1);
        if (isTold) lending.Apply(new LendingEvent.BuildClosed(1, 0));

        Assert.Equal([new Recall(1, B)], lending.Decide());
        Assert.Equal(0, lending.LentBy(B));
        lending.Apply(new Ended(2, 1));
        Assert.Empty(lending.Decide());
    }

    [Fact]
    public void A_job_that_is_tried_again_where_it_was_is_another_build()
    {
        var (_, lending) = Shared([Parallel("big")], [AtHome(), Builder("b")], homePlaces: 1);
        Ask(lending, 0, 0, 1, 2);
        lending.Apply(new LendingEvent.BuildOpened(2, 5, 0, A, 1, lending.CoresToTell(0, A, 1)));

        Assert.Equal([new Recall(1, B), new Prepare(5, B)], lending.Decide());
    }

    [Fact]
    public void Under_emulation_compiles_go_to_the_helper_that_has_the_system_though_home_is_free()
    {
        var home = AtHome() with { Systems = [new(X86, 1.1) { IsEmulated = true }] };
        var (_, lending) = Shared([Parallel("big")], [home, Builder("board", speed: 0.8)], homePlaces: 1);

        Assert.Equal([new Lend(0, B)], Ask(lending, 0, 0, 1));
        lending.Apply(new LendingEvent.LoanEnded(1, 0, B, LoanEnd.Delivered));
        Assert.Equal([new Lend(1, B)], lending.Decide());
    }

    [Fact]
    public void Where_the_native_helper_has_no_place_any_more_an_emulated_home_compiles()
    {
        var home = AtHome() with { Systems = [new(X86, 1.1) { IsEmulated = true }] };
        var (scheduler, lending) = Shared([Parallel("big")], [home, Builder("board", speed: 0.8)], homePlaces: 1);
        Ask(lending, 0, 0, 1);
        scheduler.Apply(new BuilderDrained(1, B));
        scheduler.Decide(1);
        Assert.Empty(lending.Decide());
        lending.Apply(new LendingEvent.LoanEnded(2, 0, B, LoanEnd.Delivered));

        Assert.Equal([new Home(1)], lending.Decide());
    }

    [Fact]
    public void A_helper_that_emulates_what_home_does_natively_or_is_far_slower_is_not_asked()
    {
        var (scheduler, lending) = Given(
            [Parallel("big")],
            [Builder("a", speed: 2), Builder("b", speed: 0.4), Builder("c") with { Systems = [new(X86, 1) { IsEmulated = true }] }]);
        scheduler.Decide(0);
        lending.Apply(new LendingEvent.BuildOpened(0, 1, 0, A, 1, lending.CoresToTell(0, A, 1)));

        Assert.Empty(lending.Decide());
    }

    [Fact]
    public void A_builder_helps_only_where_system_and_policy_allow_it_and_needs_no_features_of_the_job()
    {
        var job = Parallel("big") with { RequiredFeatures = ["big-parallel"] };
        var (_, lending) = Given([job],
        [
            AtHome() with { SupportedFeatures = ["big-parallel"] }, Builder("plain"), Builder("unwilling") with { Helps = false },
            Builder("picky") with { Exclude = ["b*"] },
            Builder("reserved") with { MandatoryFeatures = ["kvm"] }, Builder("other") with { Systems = [new(Arm, 1)] }, Builder("off", 0),
        ]);

        Assert.Equal([1], Enumerable.Range(0, 7).Where(b => lending.MayHelp(0, A, b)));
    }

    [Fact]
    public void Only_a_long_build_with_compiles_is_helped_and_only_where_the_builder_lets_itself_be()
    {
        Job[] jobs = [Parallel("long"), Parallel("short"), Job("serial"), Parallel("rust"), Parallel("local") with { PreferLocal = true }];
        var estimates = jobs.Select(
            job => new Estimate(job.Name == "short" ? 20 : 500, 0, 0) { Compiles = job.Name == "rust" ? default : Compiles })
            .ToArray();
        IReadOnlyList<FarmBuilder> farm = [AtHome(), Builder("proud") with { IsHelped = false }];
        int[] Helped(ShareMode share, int builder)
        {
            var lending = new CompileLending(new Scheduler(new JobGraph(jobs), farm, estimates, new SchedulerOptions { Share = share }));
            return [.. Enumerable.Range(0, jobs.Length).Where(job => lending.MayBeHelped(job, builder))];
        }

        Assert.Equal([0, 2], Helped(ShareMode.Auto, 0));
        Assert.Equal([0, 1, 2, 3], Helped(ShareMode.Always, 0));
        Assert.Empty(Helped(ShareMode.Always, 1));
        Assert.Empty(Helped(ShareMode.Never, 0));
    }

    [Theory]
    [InlineData(4, 4, 2, null, 15)]
    [InlineData(4, 4, 3, null, 20)]
    [InlineData(4, 4, 0, null, 5)]
    [InlineData(1, 8, 20, null, 8)]
    [InlineData(4, 8, 40, null, 32)]
    [InlineData(32, 32, 40, null, 64)]
    [InlineData(4, 8, 40, 128, 32)]
    [InlineData(4, 8, 40, 8, 16)]
    [InlineData(4, 8, 40, 1, 4)]
    public void The_cores_that_Nix_is_told_cover_what_may_be_lent_within_what_home_can_bear(
        int homeCores, int slots, int helpers, int? gibibytes, int expected)
    {
        FarmBuilder[] farm =
        [
            AtHome() with { Cores = homeCores, Memory = gibibytes is { } memory ? (long)memory << 30 : null },
            .. Enumerable.Range(0, helpers).Select(i => Builder($"b{i}", slots) with { Cores = 4 }),
        ];
        var (_, lending) = Given([Parallel("big")], farm);

        Assert.Equal(Math.Max(homeCores, expected), lending.CoresToTell(0, A, homeCores));
    }

    [Fact]
    public void Without_a_shared_build_every_job_begins_at_once_and_nothing_is_decided()
    {
        var (scheduler, lending) = Given([Job("a")], [AtHome()]);
        scheduler.Decide(0);

        Assert.True(lending.Claim(0, A));
        Assert.Empty(lending.Decide());
    }

    [Fact]
    public void A_number_is_used_once()
    {
        var (_, lending) = Shared([Parallel("big")], [AtHome(), Builder("b")], homePlaces: 1);
        Ask(lending, 0, 0);

        Assert.Throws<InvalidOperationException>(() => lending.Apply(new Asked(1, 0, 0)));
        Assert.Throws<InvalidOperationException>(() => lending.Apply(new LendingEvent.BuildOpened(1, 0, 0, A, 1, Cores: 2)));
    }

    /// <summary>Stays ready until the run resolves it, which frees what waits for it.</summary>
    private static Job Unbuildable => Job("elsewhere") with { System = "s390x-linux" };

    /// <summary>A little faster than others, so that the job begins there.</summary>
    private static FarmBuilder AtHome(int slots = 1) => Builder("a", slots, 1.1);

    private static Job Parallel(string name) => Job(name) with { EnableParallelBuilding = true };

    private static (Scheduler Scheduler, CompileLending Lending) Given(
        IReadOnlyList<Job> jobs, IReadOnlyList<FarmBuilder> farm, params double[] seconds)
    {
        var estimates = jobs.Select((_, i) => new Estimate(i < seconds.Length ? seconds[i] : 500, 0, 0) { Compiles = Compiles }).ToArray();
        var scheduler = new Scheduler(
            new JobGraph(jobs), farm, estimates, new SchedulerOptions { Policy = SchedulingRule.EarliestFinish, Share = ShareMode.Auto });
        return (scheduler, new CompileLending(scheduler));
    }

    /// <summary>Job 0 runs on the first builder and is shared with all that are idle.</summary>
    private static (Scheduler Scheduler, CompileLending Lending) Shared(
        IReadOnlyList<Job> jobs, IReadOnlyList<FarmBuilder> farm, int homePlaces)
    {
        var (scheduler, lending) = Given(jobs, farm);
        scheduler.Decide(0);
        Assert.True(scheduler.Runs(0, A));
        Open(lending, 0, 0, A, homePlaces);
        return (scheduler, lending);
    }

    private static void Open(CompileLending lending, long build, int job, int home, int homePlaces)
    {
        lending.Apply(new LendingEvent.BuildOpened(0, build, job, home, homePlaces, lending.CoresToTell(job, home, homePlaces)));
        foreach (var prepare in lending.Decide().OfType<Prepare>())
        {
            lending.Apply(new LendingEvent.HelperReady(0, prepare.Build, prepare.Helper));
        }
    }

    private static IReadOnlyList<LendingDecision> Ask(CompileLending lending, long build, params long[] compiles)
    {
        foreach (var compile in compiles) lending.Apply(new Asked(0, build, compile));
        return lending.Decide();
    }
}
