using NixBuildFarm.Deciding;
using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Protocol;

namespace NixBuildFarm.Core.Tests.Deciding;

/// <summary>Work that joins a run which is going on, and requests that are called off.</summary>
public sealed class RequestTests
{
    private readonly GivenWork farm = new("ruby", "kana");

    [Fact]
    public void A_derivation_that_is_being_built_already_is_built_once_for_both_requests()
    {
        var shared = farm.Derivation("shared");
        var run = DecidedRun.Begin(farm, farm.Derivation("top", [shared]), ["ruby"]);

        run.Join(1, farm.Derivation("other", [shared]));
        Assert.Equal([0, 1], run.Job("shared").WantedBy.Keys);
        run.Succeed(Assert.Single(run.Started));

        Assert.Equal("shared", run.Started[0].Job.Name);
        Assert.Equal(["other", "top"], run.Started.Skip(1).Select(attempt => attempt.Job.Name).Order());
    }

    [Fact]
    public void What_is_done_already_is_not_built_again_and_comes_home_for_the_request_that_asks_for_it()
    {
        var shared = farm.Derivation("shared");
        var run = DecidedRun.Begin(
            farm,
            farm.Derivation("top", [shared]),
            ["ruby"],
            rules => rules with { CopyBack = NixBuildFarm.Builders.Policies.CopyBack.Requested });
        Assert.Empty(run.Succeed(Assert.Single(run.Started)).OfType<RunAction.BringHome>());

        var copy = Assert.Single(run.Join(1, shared).OfType<RunAction.BringHome>()).Copy;

        Assert.Equal("shared", copy.Attempt.Job.Name);
        Assert.DoesNotContain(run.Started.Skip(1), attempt => attempt.Job.Name == "shared");
    }

    [Fact]
    public void What_failed_for_one_request_is_tried_anew_for_a_later_one()
    {
        var bad = farm.Derivation("bad");
        var run = DecidedRun.Begin(
            farm, farm.Derivation("top", [bad, farm.Derivation("slow")]), ["ruby"], rules => rules with { KeepGoing = true });
        run.End(run.Started.Single(attempt => attempt.Job.Name == "bad"), BuildStatus.PermanentFailure);

        run.Join(1, bad);

        Assert.Equal(2, run.Started.Count(attempt => attempt.Job.Name == "bad"));
        Assert.True(run.Job("bad").IsRequested);
    }

    [Fact]
    public void What_was_lost_when_nobody_needed_it_is_built_again_when_somebody_does()
    {
        var shared = farm.Derivation("shared");
        var run = DecidedRun.Begin(
            farm,
            farm.Derivation("top", [shared]),
            ["ruby", "kana"],
            rules => rules with { CopyBack = NixBuildFarm.Builders.Policies.CopyBack.Requested });
        run.Succeed(run.Started[0]);
        var top = run.Started[1];
        var copy = Assert.Single(run.Succeed(top).OfType<RunAction.BringHome>()).Copy;
        run.ComeHome(copy);
        run.Apply(new RunEvent.BuilderSilent(run.Started[0].On, new(run.Started[0].On.Name, BuilderFailure.ConnectionLost, "It is gone.")));
        Assert.Equal(2, run.Started.Count);

        run.Join(1, farm.Derivation("other", [shared]));

        Assert.Equal("shared", run.Started[2].Job.Name);
    }

    [Fact]
    public void A_request_that_is_called_off_ends_what_nobody_else_wants_and_nothing_else()
    {
        var shared = farm.Derivation("shared");
        var run = DecidedRun.Begin(farm, farm.Derivation("top", [shared]), ["ruby"]);
        run.Join(1, farm.Derivation("other", [shared, farm.Derivation("own")]));
        var own = run.Started.Single(attempt => attempt.Job.Name == "own");

        var actions = run.Apply(new RunEvent.WorkWithdrawn(1));

        Assert.Same(own, Assert.Single(actions.OfType<RunAction.StopBuild>()).Attempt);
        Assert.Equal(
            ["other", "own"], run.Results.Where(result => result.Status == NixBuildStatus.Cancelled).Select(result => result.Name).Order());
        Assert.True(run.Started.Single(attempt => attempt.Job.Name == "shared").IsRunning);
        Assert.False(run.Run.IsOver);
    }

    [Fact]
    public void A_failure_ends_the_requests_that_want_the_job_and_leaves_the_others()
    {
        var run = DecidedRun.Begin(farm, farm.Derivation("good"), ["ruby"]);
        run.Join(1, farm.Derivation("top", [farm.Derivation("bad"), farm.Derivation("slow")]));

        var actions = run.End(run.Started.Single(attempt => attempt.Job.Name == "bad"), BuildStatus.PermanentFailure);

        Assert.Empty(actions.OfType<RunAction.StopRun>());
        Assert.Equal(
            ["bad Failed", "slow Cancelled", "top DependencyFailed"],
            run.Results.Select(result => $"{result.Name} {result.Status}").Order());
        Assert.True(run.Started.Single(attempt => attempt.Job.Name == "good").IsRunning);
    }

    [Fact]
    public void Users_who_ask_one_after_the_other_have_equal_shares()
    {
        var many = new GivenWork("ruby") { MaxJobs = 4 };
        var run = DecidedRun.Begin(many, many.Derivation("nothing"), ["ruby"]);
        run.Succeed(Assert.Single(run.Started));
        run.JoinAs(1, 0, 0, [.. Enumerable.Range(0, 8).Select(i => many.Derivation($"first{i}"))]);
        run.JoinAs(2, 1, 0, [.. Enumerable.Range(0, 8).Select(i => many.Derivation($"second{i}"))]);

        foreach (var attempt in run.Started[1..4].ToArray()) run.Succeed(attempt);

        var running = run.Started.Where(attempt => attempt.IsRunning).Select(attempt => attempt.Job.Name[..^1]);
        Assert.Equal(["first", "first", "second", "second"], running.Order());
    }

    [Fact]
    public void The_more_urgent_request_of_a_user_goes_first_with_all_that_it_needs()
    {
        var one = new GivenWork("ruby") { MaxJobs = 1 };
        var shared = one.Derivation("shared");
        var run = DecidedRun.Begin(one, one.Derivation("busy"), ["ruby"]);
        run.JoinAs(1, 0, 0, [one.Derivation("plain", [one.Derivation("a"), one.Derivation("b"), shared])]);
        run.JoinAs(2, 0, 1, [one.Derivation("urgent", [shared])]);
        run.JoinAs(3, 0, -1, [one.Derivation("idle")]);

        for (var i = 0; i < 7; i++) run.Succeed(run.Started[i]);

        var names = run.Started.Select(attempt => attempt.Job.Name).ToArray();
        Assert.Equal(["busy", "shared", "urgent"], names[..3]);
        Assert.Equal("idle", names[^1]);
    }

    [Fact]
    public void What_is_left_when_a_request_ends_or_is_called_off_is_for_those_who_still_want_it()
    {
        var run = DecidedRun.Begin(farm, farm.Derivation("own"), ["ruby"]);
        var shared = farm.Derivation("shared", [farm.Derivation("deep")]);
        run.JoinAs(1, 1, 1, shared);
        run.JoinAs(2, 2, 0, shared);
        Assert.Equal([1, 2], run.ClaimOf(run.Job("shared")).Users);
        Assert.Equal(1, run.ClaimOf(run.Job("deep")).Priority);

        run.Apply(new RunEvent.WorkWithdrawn(1));

        Assert.Equal([2], run.ClaimOf(run.Job("shared")).Users);
        Assert.Equal(0, run.ClaimOf(run.Job("deep")).Priority);
    }
}
