using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Deciding;
using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Protocol;
using NixBuildFarm.Supplying;

namespace NixBuildFarm.Core.Tests.Deciding;

/// <summary>What a run decides on each event. No build, no connection and no time is involved.</summary>
public sealed class LiveRunTests
{
    private static readonly BuilderException Broken = new("ruby", BuilderFailure.ConnectionLost, "The connection to ruby broke.");

    private readonly GivenWork farm = new("ruby", "kana");

    [Fact]
    public void A_requested_job_ends_when_its_outputs_are_here()
    {
        var run = DecidedRun.Begin(farm, farm.Derivation("top"), ["ruby"]);

        var copy = Assert.Single(run.Succeed(Assert.Single(run.Started)).OfType<RunAction.BringHome>()).Copy;
        Assert.Empty(run.Results);
        Assert.False(run.Run.IsOver);

        run.Apply(new RunEvent.CameHome(copy, DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddSeconds(1)));
        Assert.Equal(NixBuildStatus.Built, Assert.Single(run.Results).Status);
        Assert.True(run.Run.IsOver);
    }

    [Fact]
    public void A_job_that_fails_on_one_builder_is_tried_on_another()
    {
        var run = DecidedRun.Begin(farm, farm.Derivation("top"), ["ruby", "kana"]);
        var first = Assert.Single(run.Started);

        run.End(first, BuildStatus.TransientFailure);

        Assert.Equal(2, run.Started.Count);
        Assert.NotEqual(first.Builder, run.Started[1].Builder);
        Assert.Equal((1, AttemptStep.Ended, AttemptStep.Supplying), (first.Job.Tries, first.Step, run.Started[1].Step));
    }

    // As Nix 2.8.0 answers to an output of text.
    [Theory]
    [InlineData("2.34.8", "opal")]
    [InlineData("2.8.0", null)]
    public void What_a_Nix_does_not_know_is_tried_with_another_version_only(string another, string? builtOn)
    {
        var work = new GivenWork("ruby", "kana", "opal");
        var run = DecidedRun.Begin(
            work, work.Derivation("top"), ["ruby", "kana", "opal"], nixOf: name => name == "opal" ? another : "2.8.0");
        var attempt = run.Started.Single();
        while (attempt.On.NixVersion == "2.8.0")
        {
            run.Apply(new RunEvent.AttemptFailed(attempt, new DaemonException(attempt.On.Name, "unknown hash algorithm 'text:sha256'")));
            if (run.Started[^1] == attempt) break;
            attempt = run.Started[^1];
        }

        Assert.InRange(run.Started.Count, 1, 2);
        if (builtOn is not null) Assert.Equal(builtOn, run.Started[^1].On.Name);
        else Assert.Contains("unknown hash algorithm", Assert.Single(run.Results).Error);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_permanent_failure_stops_the_run_without_KeepGoing(bool keepGoing)
    {
        var top = farm.Derivation("top", [farm.Derivation("good"), farm.Derivation("bad")]);
        var run = DecidedRun.Begin(farm, top, ["ruby"], rules => rules with { KeepGoing = keepGoing });

        var actions = run.End(run.Started.Single(attempt => attempt.Job.Name == "bad"), BuildStatus.PermanentFailure);

        Assert.Equal(keepGoing ? 0 : 1, actions.OfType<RunAction.StopRun>().Count());
        Assert.Equal(["bad Failed", "top DependencyFailed"], run.Results.Select(result => $"{result.Name} {result.Status}").Order());
    }

    [Fact]
    public void A_builder_whose_connection_broke_is_asked_before_anything_is_decided()
    {
        var run = DecidedRun.Begin(farm, farm.Derivation("top"), ["ruby"]);
        var failed = new RunEvent.AttemptFailed(Assert.Single(run.Started), Broken);

        var probe = Assert.IsType<RunAction.Probe>(Assert.Single(run.Apply(failed)));

        Assert.Equal("ruby", probe.On.Name);
        Assert.Same(failed.Attempt, Assert.IsType<RunEvent.AttemptFailed>(probe.Cause).Attempt);
        Assert.True(failed.Attempt.IsRunning);
    }

    [Fact]
    public void A_builder_that_answers_gets_the_job_again()
    {
        var run = DecidedRun.Begin(farm, farm.Derivation("top"), ["ruby"]);
        var attempt = Assert.Single(run.Started);

        var actions = run.Apply(
            new RunEvent.BuilderAnswered(attempt.On, Broken, Answers: true, new RunEvent.AttemptFailed(attempt, Broken)));

        Assert.Equal(attempt.Builder, Assert.IsType<RunAction.StartBuild>(Assert.Single(actions)).Attempt.Builder);
        Assert.Empty(run.LostBuilders);
    }

    [Fact]
    public void A_builder_that_does_not_answer_is_lost_and_connected_again_after_a_second()
    {
        var run = DecidedRun.Begin(farm, farm.Derivation("top"), ["ruby"]);
        var attempt = Assert.Single(run.Started);
        run.Apply(new RunEvent.BuildBegan(attempt, 10, null));

        var actions = run.Apply(
            new RunEvent.BuilderAnswered(attempt.On, Broken, Answers: false, new RunEvent.AttemptFailed(attempt, Broken)));

        Assert.Same(attempt, Assert.Single(actions.OfType<RunAction.StopBuild>()).Attempt);
        Assert.Same(attempt.On, Assert.Single(actions.OfType<RunAction.Disconnect>()).On);
        var connect = Assert.Single(actions.OfType<RunAction.Connect>());
        Assert.Equal(
            (TimeSpan.FromSeconds(1), ConnectCause.Return, true), (connect.After, connect.Connection.Cause, connect.Connection.IsAwaited));
        Assert.Equal((1, AttemptStep.CalledOff), (attempt.Job.Tries, attempt.Step));
    }

    [Fact]
    public void A_builder_that_is_lost_before_a_build_begins_costs_it_no_try()
    {
        var run = DecidedRun.Begin(farm, farm.Derivation("top"), ["ruby"]);
        var attempt = Assert.Single(run.Started);

        run.Apply(new RunEvent.BuilderSilent(attempt.On, Broken));

        Assert.Equal(0, attempt.Job.Tries);
        Assert.Single(attempt.Job.Attempts);
    }

    [Fact]
    public void The_late_result_of_an_attempt_that_was_called_off_changes_nothing()
    {
        var run = DecidedRun.Begin(farm, farm.Derivation("top"), ["ruby"]);
        var attempt = Assert.Single(run.Started);
        run.Apply(new RunEvent.BuildBegan(attempt, 10, null));
        run.Apply(new RunEvent.BuilderSilent(attempt.On, Broken));

        Assert.Empty(run.End(attempt, BuildStatus.Built));
        Assert.Empty(run.Apply(new RunEvent.AttemptFailed(attempt, Broken)));
        Assert.Empty(run.Results);
        Assert.Equal(1, attempt.Job.Tries);
    }

    [Fact]
    public void What_only_a_lost_builder_had_is_built_again_where_it_is_needed()
    {
        var bottom = farm.Derivation("bottom");
        var run = DecidedRun.Begin(
            farm, farm.Derivation("top", [bottom]), ["ruby", "kana"], rules => rules with { CopyBack = CopyBack.Requested });
        var first = Assert.Single(run.Started);
        run.Succeed(first);
        var top = run.Started[1];
        Assert.Equal("top", top.Job.Name);

        run.Apply(new RunEvent.BuilderSilent(first.On, new(first.On.Name, BuilderFailure.ConnectionLost, "It is gone.")));

        Assert.Equal(("bottom", 1 - first.Builder), (run.Started[2].Job.Name, run.Started[2].Builder));
    }

    [Fact]
    public void Outputs_that_a_builder_still_has_when_it_is_back_are_copied_back_and_not_built_again()
    {
        var run = DecidedRun.Begin(farm, farm.Derivation("top"), ["ruby"]);
        var attempt = Assert.Single(run.Started);
        var copy = Assert.Single(run.Succeed(attempt).OfType<RunAction.BringHome>()).Copy;
        var lost = run.Apply(new RunEvent.BuilderSilent(attempt.On, Broken));
        var connect = Assert.Single(lost.OfType<RunAction.Connect>());
        Assert.Equal("top", Assert.Single(connect.Connection.Had).Name);
        run.Apply(new RunEvent.CopyBackFailed(copy, null, null, new IOException("The connection broke.")));

        var actions = run.Apply(new RunEvent.BuilderConnected(connect.Connection, run.Connect("ruby"), connect.Connection.Had));

        Assert.Single(run.Started);
        var again = Assert.Single(actions.OfType<RunAction.BringHome>()).Copy;
        run.Apply(new RunEvent.CameHome(again, DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch));
        Assert.Equal(NixBuildStatus.Built, Assert.Single(run.Results).Status);
        Assert.True(run.Run.IsOver);
    }

    [Fact]
    public void A_copy_that_fails_again_and_again_while_its_builder_answers_has_the_job_built_elsewhere()
    {
        var run = DecidedRun.Begin(farm, farm.Derivation("top"), ["ruby", "kana"]);
        var attempt = Assert.Single(run.Started);
        var error = new BuilderException(attempt.On.Name, BuilderFailure.ConnectionLost, "It broke.");
        var copy = Assert.Single(run.Succeed(attempt).OfType<RunAction.BringHome>()).Copy;
        for (var failure = 1; failure < 3; failure++)
        {
            copy = Assert.Single(run.Apply(Answered(copy)).OfType<RunAction.BringHome>()).Copy;
            Assert.Equal(failure, copy.Failures);
        }

        run.Apply(Answered(copy));

        Assert.Equal(1 - attempt.Builder, run.Started[1].Builder);

        RunEvent Answered(CopyHome failed) =>
            new RunEvent.BuilderAnswered(attempt.On, error, Answers: true, new RunEvent.CopyBackFailed(failed, null, null, error));
    }

    [Fact]
    public void A_job_whose_outputs_are_damaged_is_built_by_a_builder_that_still_connects()
    {
        var run = DecidedRun.Begin(farm, farm.Derivation("top"), ["ruby"], connecting: ["kana"]);
        var expected = Assert.Single(run.First.OfType<RunAction.Await>()).Connection;
        var copy = Assert.Single(run.Succeed(Assert.Single(run.Started)).OfType<RunAction.BringHome>()).Copy;
        run.Apply(
            new RunEvent.CopyBackFailed(
                copy, null, null, new DamagedPathException("ruby", copy.Outputs[0], new IOException("It is longer."))));
        Assert.Empty(run.Results);

        run.Apply(new RunEvent.BuilderConnected(expected, run.Connect("kana"), []));

        Assert.Equal("kana", run.Started[1].On.Name);
    }

    [Fact]
    public void A_job_without_a_builder_waits_for_one_that_connects()
    {
        farm.Features["kana"] = ["gem"];
        var top = farm.Derivation("top", environment: new Dictionary<string, string> { ["requiredSystemFeatures"] = "gem" });
        var run = DecidedRun.Begin(farm, top, ["ruby"], connecting: ["kana"]);
        var expected = Assert.Single(run.First.OfType<RunAction.Await>()).Connection;
        Assert.Empty(run.Results);

        run.Apply(new RunEvent.BuilderConnected(expected, run.Connect("kana"), []));

        Assert.Equal("kana", Assert.Single(run.Started).On.Name);
    }

    [Fact]
    public void A_job_without_a_builder_fails_when_none_is_left_to_wait_for()
    {
        farm.Features["kana"] = ["gem"];
        var top = farm.Derivation("top", environment: new Dictionary<string, string> { ["requiredSystemFeatures"] = "gem" });
        var run = DecidedRun.Begin(farm, top, ["ruby"], connecting: ["kana"]);
        var expected = Assert.Single(run.First.OfType<RunAction.Await>()).Connection;

        run.Apply(
            new RunEvent.ConnectFailed(
                expected, farm.Builder("kana"), new BuilderException("kana", BuilderFailure.Untrusted, "kana is not trusted.")));

        var result = Assert.Single(run.Results);
        Assert.Equal(NixBuildStatus.NoEligibleBuilder, result.Status);
        Assert.Contains("kana is not trusted", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void The_third_failure_in_a_row_quarantines_a_builder_until_its_pause_is_over()
    {
        var leaves = Enumerable.Range(0, 3).Select(i => farm.Derivation($"leaf{i}")).ToArray();
        var run = DecidedRun.Begin(
            farm, farm.Derivation("top", leaves), ["ruby"], rules => rules with { MaxAttempts = 1, KeepGoing = true });
        run.End(run.Started[0], BuildStatus.MiscFailure);
        run.End(run.Started[1], BuildStatus.MiscFailure);

        var pause = Assert.Single(run.End(run.Started[2], BuildStatus.MiscFailure).OfType<RunAction.Pause>());

        Assert.Equal((TimeSpan.FromSeconds(1), true), (pause.Time, pause.IsAwaited));
        Assert.Contains(run.Warnings, warning => warning.Contains("ruby has failed too often", StringComparison.Ordinal));
    }
}
