using NixBuildFarm.Deciding;
using NixBuildFarm.Deciding.Journal;
using NixBuildFarm.Errors;
using NixBuildFarm.Protocol;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Core.Tests.Deciding;

/// <summary>What a run makes of the phases that its builds come to.</summary>
public sealed class PhaseTests
{
    private readonly GivenWork farm = new("ruby") { MaxJobs = 1 };

    /// <summary>
    /// A build of 100 s that has come to its check phase after 60 s and to its install phase after 90, then the next version.
    /// </summary>
    private (DecidedRun Run, Attempt Second) AfterOneBuild(bool hasPhases = true)
    {
        var run = DecidedRun.Begin(farm, farm.Derivation("hello-2.0", [farm.Derivation("hello-1.0")]), ["ruby"]);
        var first = Assert.Single(run.Started);
        run.Apply(new RunEvent.BuildBegan(first, 0, null));
        var begun = run.Now;
        run.Now = begun + 60;
        if (hasPhases) run.Apply(new RunEvent.PhaseEntered(first, TellingPhase.Check));
        run.Now = begun + 90;
        if (hasPhases) run.Apply(new RunEvent.PhaseEntered(first, TellingPhase.Install));
        run.Now = begun + 100;
        run.Succeed(first);
        var second = run.Started[1];
        run.Apply(new RunEvent.BuildBegan(second, 0, null));
        return (run, second);
    }

    [Fact]
    public void The_parts_of_its_time_at_which_the_phases_of_a_build_begin_are_kept()
    {
        var (run, _) = AfterOneBuild();

        var kept = Assert.Single(run.Kept);
        Assert.Equal(0.6, kept.CheckAt!.Value, 0.001);
        Assert.Equal(0.9, kept.InstallAt!.Value, 0.001);
    }

    [Fact]
    public void What_is_left_of_a_build_is_known_by_the_phase_that_it_has_come_to()
    {
        var (run, second) = AfterOneBuild();
        Assert.InRange(second.ExpectedNow, 50, 150);
        var spread = run.EstimateOf(second.Job).Spread;

        run.Now += 300;
        run.Apply(new RunEvent.PhaseEntered(second, TellingPhase.Check));

        Assert.Equal(500, second.ExpectedNow, 0.5);
        Assert.Equal(500, run.EstimateOf(second.Job).Seconds, 0.5);
        Assert.True(run.EstimateOf(second.Job).Spread <= spread);
        Assert.InRange(second.ExpectedSeconds, 50, 150);

        run.Now += 240;
        run.Apply(new RunEvent.PhaseEntered(second, TellingPhase.Install));

        Assert.Equal(600, second.ExpectedNow, 0.5);
        Assert.InRange(Forecast.Of(run.Scheduler, [second], run.UtcNow)!.Remaining.TotalSeconds, 55, 65);
    }

    [Fact]
    public void A_phase_of_a_package_that_nobody_has_seen_in_phases_tells_nothing()
    {
        var (run, second) = AfterOneBuild(hasPhases: false);
        var expected = second.ExpectedNow;

        run.Now += 300;
        run.Apply(new RunEvent.PhaseEntered(second, TellingPhase.Check));

        Assert.Equal(expected, second.ExpectedNow);
        Assert.Null(Assert.Single(run.Kept).CheckAt);
    }

    [Fact]
    public void A_phase_counts_when_it_is_entered_first_and_not_when_the_build_is_over()
    {
        var (run, second) = AfterOneBuild();
        run.Now += 300;
        run.Apply(new RunEvent.PhaseEntered(second, TellingPhase.Check));
        run.Now += 100;
        run.Apply(new RunEvent.PhaseEntered(second, TellingPhase.Check));
        Assert.Equal(500, second.ExpectedNow, 0.5);

        run.Succeed(second);
        run.Apply(new RunEvent.PhaseEntered(second, TellingPhase.Install));

        Assert.Equal(500, second.ExpectedNow, 0.5);
        Assert.Equal(0.75, run.Kept[1].CheckAt!.Value, 0.001);
    }

    [Fact]
    public void A_run_with_phases_is_decided_again_from_its_journal()
    {
        var (run, second) = AfterOneBuild();
        run.Now += 300;
        run.Apply(new RunEvent.PhaseEntered(second, TellingPhase.Check));
        run.Now += 100;
        foreach (var copy in run.Succeed(second).OfType<RunAction.BringHome>()) run.ComeHome(copy.Copy);

        var replayed = ReplayedRun.Of(run.Journal);

        Assert.Equal(replayed.Recorded, replayed.Decided);
    }

    [Fact]
    public void What_was_expected_by_a_phase_is_forgotten_when_its_builder_is_lost()
    {
        var (run, second) = AfterOneBuild();
        var before = run.EstimateOf(second.Job);
        run.Now += 30_000;
        run.Apply(new RunEvent.PhaseEntered(second, TellingPhase.Check));
        Assert.Equal(50_000, run.EstimateOf(second.Job).Seconds, 50.0);

        run.Apply(new RunEvent.BuilderSilent(second.On, new BuilderException("ruby", BuilderFailure.ConnectionLost, "It is gone.")));

        Assert.Equal(before, run.EstimateOf(second.Job));
    }

    [Fact]
    public void What_was_expected_by_a_phase_is_forgotten_when_the_build_is_to_be_tried_again()
    {
        var (run, second) = AfterOneBuild();
        var before = run.EstimateOf(second.Job);
        run.Now += 30_000;
        run.Apply(new RunEvent.PhaseEntered(second, TellingPhase.Check));

        run.Apply(new RunEvent.AttemptFailed(second, new DaemonException("ruby", "writing to file: No space left on device")));

        Assert.Equal(before, run.EstimateOf(second.Job));
    }
}
