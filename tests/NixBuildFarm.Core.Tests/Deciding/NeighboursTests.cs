using NixBuildFarm.Deciding;
using NixBuildFarm.Errors;

namespace NixBuildFarm.Core.Tests.Deciding;

/// <summary>What a run decides where other runs hold the slots of a builder.</summary>
public sealed class NeighboursTests
{
    private readonly GivenWork farm = new("ruby", "kana");

    [Fact]
    public void A_build_that_waits_for_long_goes_elsewhere_and_is_not_counted_as_tried()
    {
        var run = DecidedRun.Begin(farm, farm.Derivation("top"), ["ruby", "kana"]);
        var first = Assert.Single(run.Started);

        var actions = run.Apply(new RunEvent.SlotAwaited(first, ["eve from pearl, run 7"]));

        Assert.Single(actions.OfType<RunAction.StopBuild>());
        Assert.Equal(2, run.Started.Count);
        Assert.NotEqual(first.Builder, run.Started[1].Builder);
        Assert.Equal(0, first.Job.Tries);
        Assert.Contains("eve from pearl, run 7", Assert.Single(run.Warnings));
    }

    [Fact]
    public void Where_no_other_builder_takes_it_a_build_waits_until_a_slot_is_free()
    {
        var run = DecidedRun.Begin(farm, farm.Derivation("top"), ["ruby"]);
        var first = run.Started[0];

        var waiting = Assert.Single(run.Apply(new RunEvent.SlotAwaited(first, [])).OfType<RunAction.AwaitSlot>());
        Assert.Same(first, Assert.Single(run.Started));

        run.Apply(new RunEvent.SlotFree(waiting.On));
        run.Succeed(run.Started[1]);
        Assert.Equal((2, AttemptStep.Ended), (run.Started.Count, run.Started[1].Step));
    }

    [Fact]
    public void Several_builds_that_wait_for_one_builder_wait_in_its_queue_once()
    {
        var run = DecidedRun.Begin(farm, farm.Derivation("top", [farm.Derivation("a"), farm.Derivation("b")]), ["ruby"]);

        var actions = run.Started.ToArray().SelectMany(attempt => run.Apply(new RunEvent.SlotAwaited(attempt, []))).ToArray();

        Assert.Equal(2, actions.OfType<RunAction.StopBuild>().Count());
        Assert.Single(actions.OfType<RunAction.AwaitSlot>());
        Assert.Single(run.Warnings);
    }

    [Fact]
    public void As_long_as_nothing_else_goes_on_the_user_is_told_who_holds_the_slots_still()
    {
        var run = DecidedRun.Begin(farm, farm.Derivation("top"), ["ruby"]);
        var on = run.Started[0].On;
        run.Apply(new RunEvent.SlotStillAwaited(on, []));
        Assert.Empty(run.Warnings);
        run.Apply(new RunEvent.SlotAwaited(run.Started[0], ["eve from pearl, run 7"]));
        run.Apply(new RunEvent.SlotStillAwaited(on, ["eve from pearl, run 7, since 12:00"]));

        Assert.Contains("still taken, by eve from pearl, run 7, since 12:00.", run.Warnings[^1]);
        Assert.Equal(2, run.Warnings.Count);
    }

    [Fact]
    public void A_build_that_has_begun_meanwhile_stays()
    {
        var run = DecidedRun.Begin(farm, farm.Derivation("top"), ["ruby"]);
        run.Apply(new RunEvent.BuildBegan(run.Started[0], 0, null));

        var actions = run.Apply(new RunEvent.SlotAwaited(run.Started[0], []));

        Assert.DoesNotContain(actions, action => action is RunAction.StopBuild or RunAction.AwaitSlot);
    }

    [Fact]
    public void A_builder_that_is_lost_while_it_was_waited_for_is_used_when_it_is_back()
    {
        var run = DecidedRun.Begin(farm, farm.Derivation("top"), ["ruby"]);
        var lost = run.Started[0].On;
        run.Apply(new RunEvent.SlotAwaited(run.Started[0], []));
        var connect = run.Apply(new RunEvent.BuilderSilent(lost, new("ruby", BuilderFailure.ConnectionLost, "It is gone.")))
            .OfType<RunAction.Connect>()
            .Single();

        run.Apply(new RunEvent.SlotFree(lost));
        run.Apply(new RunEvent.BuilderConnected(connect.Connection, run.Connect("ruby"), []));

        Assert.Equal(2, run.Started.Count);
        run.Succeed(run.Started[1]);
    }
}
