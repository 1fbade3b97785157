using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Deciding;
using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Store;

namespace NixBuildFarm.Core.Tests.Deciding;

/// <summary>What is built goes to other stores, beside the builds.</summary>
public sealed class PushTests
{
    private static readonly PushTarget Cache = PushTarget.Of("s3://cache");
    private static readonly NixBuildFarmException Down = new("NixFailed", "The store does not answer.");

    private readonly GivenWork farm = new("ruby", "kana");

    [Fact]
    public void What_is_built_goes_to_the_store_as_soon_as_it_is_here_and_the_run_waits_for_it()
    {
        var run = Begin(farm.Derivation("top", [farm.Derivation("needed")]));
        var home = Single<RunAction.BringHome>(run.Succeed(run.Started.Single())).Copy;
        Assert.Equal(2, run.Started.Count);

        var push = Single<RunAction.Push>(run.ComeHome(home));
        run.ComeHome(Single<RunAction.BringHome>(run.Succeed(run.Started[1])).Copy);
        Assert.All(run.Results, result => Assert.Equal("s3://cache: Pending", result.Pushes.Single().ToString()));
        run.Apply(new RunEvent.Pushed(push.Outputs));

        Assert.Equal((TimeSpan.Zero, "needed"), (push.After, push.Outputs.Job.Name));
        Assert.Equal(["needed Pushed", "top Pending"], States(run));
        Assert.False(run.Run.IsOver);
    }

    [Fact]
    public void A_builder_that_may_pushes_itself_and_does_not_wait_for_the_copy_home()
    {
        farm.Policies["ruby"] = new() { PushItself = true };
        var run = Begin(farm.Derivation("top"));

        var push = Single<RunAction.Push>(run.Succeed(run.Started.Single())).Outputs;

        Assert.Same(run.Farm[0], push.By);
    }

    [Theory]
    [InlineData(CopyBack.All)]
    [InlineData(CopyBack.None)]
    public void What_a_builder_cannot_push_comes_here_and_is_pushed_by_this_machine(CopyBack copyBack)
    {
        farm.Policies["ruby"] = new() { PushItself = true };
        var run = Begin(farm.Derivation("top"), rules => rules with { CopyBack = copyBack });
        var begun = run.Succeed(run.Started.Single());

        var failed = run.Apply(new RunEvent.PushFailed(Single<RunAction.Push>(begun).Outputs, Down));
        var push = Single<RunAction.Push>(run.ComeHome(Single<RunAction.BringHome>([.. begun, .. failed]).Copy)).Outputs;

        Assert.Equal((null, 0), (push.By, push.Failures));
        Assert.Empty(run.Warnings);
    }

    [Fact]
    public void Outputs_that_stay_on_their_builder_come_here_where_this_machine_pushes_them()
    {
        var run = Begin(farm.Derivation("top"), rules => rules with { CopyBack = CopyBack.None });

        var home = Single<RunAction.BringHome>(run.Succeed(run.Started.Single())).Copy;

        Assert.Equal(NixBuildStatus.Built, Assert.Single(run.Results).Status);
        Assert.Equal("top", Single<RunAction.Push>(run.ComeHome(home)).Outputs.Job.Name);
    }

    [Fact]
    public void A_push_that_fails_is_tried_again_ever_later_then_told_and_the_build_stays_built()
    {
        var run = Begin(farm.Derivation("top"));
        var push = Single<RunAction.Push>(run.ComeHome(Single<RunAction.BringHome>(run.Succeed(run.Started.Single())).Copy)).Outputs;

        var pauses = new List<double>();
        while (run.Apply(new RunEvent.PushFailed(push, Down)).OfType<RunAction.Push>().SingleOrDefault() is { } again)
        {
            pauses.Add(again.After.TotalSeconds);
        }

        Assert.Equal([1, 4, 16], pauses);
        Assert.Contains("top was built, and is not in s3://cache: The store does not answer.", Assert.Single(run.Warnings));
        Assert.Equal((NixBuildStatus.Built, "top Failed"), (run.Results.Single().Status, States(run).Single()));
        Assert.True(run.Run.IsOver);
    }

    [Fact]
    public void A_store_that_is_out_of_reach_is_told_of_once_and_at_the_end_with_the_number()
    {
        StorePath[] needs = [farm.Derivation("one"), farm.Derivation("two")];
        var run = Begin(farm.Derivation("top", needs));
        foreach (var attempt in run.Started.ToArray())
        {
            var push = Single<RunAction.Push>(run.ComeHome(Single<RunAction.BringHome>(run.Succeed(attempt)).Copy)).Outputs;
            while (run.Apply(new RunEvent.PushFailed(push, Down)).OfType<RunAction.Push>().Any())
            {
                // Until it is given up.
            }
        }
        Assert.Single(run.Warnings);

        run.End();

        Assert.Contains("the outputs of 2 derivations that were built are not in s3://cache", run.Warnings[1]);
    }

    [Fact]
    public void What_a_store_has_not_got_is_pushed_anew_for_who_asks_for_it_later()
    {
        StorePath needed = farm.Derivation("needed"), top = farm.Derivation("top", [needed]);
        var run = Begin(top);
        var push = Single<RunAction.Push>(run.ComeHome(Single<RunAction.BringHome>(run.Succeed(run.Started[0])).Copy)).Outputs;
        while (run.Apply(new RunEvent.PushFailed(push, Down)).OfType<RunAction.Push>().Any())
        {
            // Until it is given up.
        }

        Assert.Same(push, Single<RunAction.Push>(run.Join(1, needed)).Outputs);
        run.Apply(new RunEvent.Pushed(push));

        Assert.Equal((PushState.Pushed, null), (push.State.State, push.State.Error));
    }

    [Fact]
    public void A_run_that_is_stopped_says_which_stores_lack_what_was_built()
    {
        var run = Begin(farm.Derivation("top"));
        run.Succeed(run.Started.Single());

        run.End();

        Assert.Equal(["top Failed"], States(run));
        Assert.Contains(run.Warnings, warning => warning.Contains("top was built, and is not in s3://cache: the run was stopped first."));
    }

    [Theory]
    [InlineData(PushScope.All, new[] { "needed", "top" })]
    [InlineData(PushScope.Requested, new[] { "top" })]
    public void All_that_is_built_is_pushed_or_what_was_asked_for(PushScope scope, string[] pushed)
    {
        var run = Begin(farm.Derivation("top", [farm.Derivation("needed")]), rules => rules with { Push = scope });
        run.ComeHome(Single<RunAction.BringHome>(run.Succeed(run.Started[0])).Copy);
        run.ComeHome(Single<RunAction.BringHome>(run.Succeed(run.Started[1])).Copy);

        Assert.Equal(pushed, run.Results.Where(result => result.Pushes.Count > 0).Select(result => result.Name));
    }

    [Fact]
    public void A_machine_gets_outputs_from_their_builder()
    {
        var target = PushTarget.Of(farm.Builder("kana"));
        var run = Begin(farm.Derivation("top"), rules => rules with { PushTo = [], CopyTo = [target], CopyBack = CopyBack.None });

        var actions = run.Succeed(run.Started.Single());

        Assert.Equal(target, Single<RunAction.Push>(actions).Outputs.Target);
        Assert.Empty(actions.OfType<RunAction.BringHome>());
    }

    [Fact]
    public void The_policy_of_a_builder_says_where_its_outputs_go_unless_the_run_does()
    {
        farm.Policies["ruby"] = new() { PushTo = ["file:///srv/cache"], PushItself = true };
        var byPolicy = Begin(farm.Derivation("top"), rules => rules with { PushTo = [] });
        var byRun = Begin(farm.Derivation("other"));

        Assert.Equal("file:///srv/cache", Single<RunAction.Push>(byPolicy.Succeed(byPolicy.Started.Single())).Outputs.Target.Name);
        Assert.Equal("s3://cache", Single<RunAction.Push>(byRun.Succeed(byRun.Started.Single())).Outputs.Target.Name);
    }

    [Fact]
    public void Outputs_that_cannot_come_here_are_told_of_and_not_awaited()
    {
        var run = Begin(farm.Derivation("top"), rules => rules with { CopyBack = CopyBack.None, MaxAttempts = 1 });
        var copy = Single<RunAction.BringHome>(run.Succeed(run.Started.Single())).Copy;

        run.Apply(new RunEvent.CopyBackFailed(copy, null, null, new IOException("The disk is full.")));

        Assert.Equal(["top Failed"], States(run));
        Assert.Contains(run.Warnings, warning => warning.Contains("not in s3://cache: its outputs have not come to this machine."));
        Assert.True(run.Run.IsOver);
    }

    [Fact]
    public void A_copy_for_a_push_counts_for_who_asks_for_the_outputs_meanwhile()
    {
        var needed = farm.Derivation("needed");
        var run = Begin(
            farm.Derivation("top", [needed]), rules => rules with { CopyBack = CopyBack.Requested, MaxAttempts = 1, KeepGoing = true });
        var copy = Single<RunAction.BringHome>(run.Succeed(run.Started[0])).Copy;
        run.Join(1, needed);

        run.Apply(new RunEvent.CopyBackFailed(copy, null, null, new IOException("The disk is full.")));

        Assert.Contains(run.Warnings, warning => warning.Contains("needed, which was done, fails after all"));
    }

    [Fact]
    public void What_a_builder_had_already_is_not_pushed()
    {
        var run = Begin(farm.Derivation("top"));

        run.End(run.Started.Single(), NixBuildFarm.Protocol.BuildStatus.AlreadyValid);

        Assert.Empty(run.Jobs.Single().Pushes);
    }

    private DecidedRun Begin(StorePath requested, Func<RunRules, RunRules>? with = null) => DecidedRun.Begin(
        farm, requested, ["ruby"], rules => with?.Invoke(rules with { PushTo = [Cache] }) ?? rules with { PushTo = [Cache] });

    private static T Single<T>(IEnumerable<RunAction> actions) => Assert.Single(actions.OfType<T>());

    private static IEnumerable<string> States(DecidedRun run) =>
        run.Results.Select(result => $"{result.Name} {result.Pushes.Single().State}").Order();
}
