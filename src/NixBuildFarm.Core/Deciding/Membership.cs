using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Protocol;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Deciding;

/// <summary>Which builders take part: they join late, are lost, come back, or are quarantined for a while.</summary>
internal sealed class Membership(
    RunFacts facts, Attempts attempts, Rebuilds rebuilds, CopyBacks copyBacks, BuilderTroubles troubles, PendingBuilders pending)
{
    // The builds that went on when their builder was lost: a builder that only the network has cut off goes on with them.
    private readonly Dictionary<(int Job, int Builder), Attempt> interrupted = [];

    private readonly Outage outage = new(facts);

    /// <summary>
    /// Quarantines a builder that failed in an earlier run, until its time has come, or there is a job that no other builder may take. Then
    /// it is connected.
    /// </summary>
    public void Quarantine(NixBuilder builder, BuilderTrouble trouble)
    {
        var pause = trouble.PauseAt(facts.UtcNow);
        facts.Reporter.Degraded($"{builder.Name} failed in an earlier run. It is quarantined for another "
            + $"{Math.Ceiling(pause.TotalSeconds)} s, or until there is a job that no other builder may take: {trouble.Reason}");
        facts.Do(new RunAction.Connect(builder, pause, pending.Add(builder, ConnectCause.Quarantine, isAwaited: true)));
    }

    /// <summary>A builder is connected.</summary>
    public void OnConnected(RunEvent.BuilderConnected connected)
    {
        Join(connected.On);
        foreach (var job in connected.Kept) UseAgain(job, connected.On);
        Forget(facts.IndexOf(connected.On));
        pending.Settle(connected.Connection);
    }

    /// <summary>A builder cannot be connected.</summary>
    public void OnConnectFailed(RunEvent.ConnectFailed failed)
    {
        var (connection, builder, error) = failed;
        if (connection.Cause == ConnectCause.Return) OnReconnectFailed(builder, error, connection.Had);
        else OnConnectFailed(builder, error);
        pending.Settle(connection);
    }

    /// <summary>A builder could not be reached as the run began: it may still come, but no job waits for it.</summary>
    public void OnConnectFailed(NixBuilder builder, NixBuildFarmException error)
    {
        troubles.Tell(builder, error);
        if (!BuilderTroubles.CanPass(error)) return;
        troubles.BreakerOf(builder).GiveUpHope();
        troubles.Record(builder, error.Message);
        ReconnectLater(builder, []);
    }

    /// <summary>A builder does not answer any more. It may have been replaced by a new session meanwhile.</summary>
    public void OnSilent(RunEvent.BuilderSilent silent)
    {
        if (silent.On == facts.Local || facts.IndexOf(silent.On) >= 0) Lose(silent.On, silent.Error, cause: null);
    }

    /// <summary>A builder is gone: its builds go elsewhere. <see cref="OnDisconnected"/> decides on what it had.</summary>
    /// <returns>False: that is known already, or it is the local store; no <see cref="RunEvent.Disconnected"/> follows with the
    /// cause.</returns>
    public bool Lose(RunBuilder lost, BuilderException error, RunEvent? cause)
    {
        if (lost == facts.Local)
        {
            facts.EndRun(new(
                error.Builder,
                error.Failure,
                $"The local store cannot be used any more, and without it there is no going on: {error.Message}",
                "See that the Nix daemon runs, then start the run again: it goes on from what is done.",
                error));
            return false;
        }
        var builder = facts.IndexOf(lost);
        // Several find out at once, and some when it is back.
        if (builder < 0 || facts.Scheduler.StatusOf(builder) == BuilderStatus.Lost) return false;
        var calledOff = attempts.CallOffAll(builder);
        foreach (var attempt in calledOff.Where(MayGoOn)) interrupted[(attempt.Job.Index, builder)] = attempt;
        facts.Apply(new SchedulingEvent.BuilderLost(facts.Now, builder));
        facts.Do(
            new RunAction.Disconnect(
                lost, error, [.. facts.Jobs.Where(job => facts.Scheduler.StateOf(job.Index) == JobState.Done)], cause));
        troubles.Tell(lost.Builder, error.About(calledOff.Select(attempt => attempt.Job.Name)));
        foreach (var attempt in calledOff)
        {
            // A build that had not begun has taken nobody down.
            if (attempt.BuildBegun is null) attempts.Record(attempt, error.Message);
            else attempts.RecordFailure(attempt, error.Message);
        }
        outage.Note(builder, [.. calledOff.Where(attempt => attempt.BuildBegun is not null)]);
        foreach (var attempt in calledOff.Where(attempt => attempt.Job.Running.Count == 0 && attempts.AreUsedUp(attempt.Job)))
        {
            attempts.GiveUp(attempt);
        }
        return true;
    }

    /// <summary>What a lost builder had is forgotten: what only it had is built again where it is still needed.</summary>
    public void OnDisconnected(RunEvent.Disconnected disconnected)
    {
        var (lost, error, had) = (disconnected.On, disconnected.Error, disconnected.Had);
        lost.WasGivenUp = disconnected.IsGivenUp;
        rebuilds.BuildWhatOnlyHad(lost, disconnected.Lost);
        troubles.Lose(lost.Builder);
        var canPass = BuilderTroubles.CanPass(error);
        if (canPass || error.Failure == BuilderFailure.FalseResult) troubles.Record(lost.Builder, error.Message);
        if (!canPass) return;
        // What it has is of no use where it does not give it. What it was building may be done by the time it answers again.
        var left = lost.WasGivenUp ? [] : had;
        ReconnectLater(lost.Builder, [.. left, .. InterruptedOn(facts.IndexOf(lost.Name)).Except(left)]);
    }

    /// <summary>A builder that answers has failed a job for reasons of its own. After several in a row it is quarantined.</summary>
    public void CountFault(RunBuilder on, string reason)
    {
        var builder = facts.IndexOf(on);
        var breaker = troubles.BreakerOf(on.Builder);
        if (builder < 0 || facts.Scheduler.StatusOf(builder) != BuilderStatus.Online || !breaker.Fail()) return;
        facts.Apply(new SchedulingEvent.BuilderDrained(facts.Now, builder));
        troubles.Record(on.Builder, reason);
        facts.Reporter.Degraded($"{on} has failed too often. It is quarantined for {breaker.Pause.TotalSeconds:0} s: {reason}");
        if (breaker.HasHope) pending.AddPause();
        facts.Do(new RunAction.Pause(on, breaker.Pause, breaker.HasHope));
    }

    /// <summary>The quarantine of a builder is over.</summary>
    public void OnPauseOver(RunEvent.PauseOver over)
    {
        if (facts.IndexOf(over.On) is >= 0 and var builder && facts.Scheduler.StatusOf(builder) == BuilderStatus.Draining)
        {
            facts.Apply(new SchedulingEvent.BuilderJoined(facts.Now, facts.Describe(over.On)));
        }
        if (over.IsAwaited) pending.Settle();
    }

    private void ReconnectLater(NixBuilder builder, IReadOnlyList<RunJob> had)
    {
        facts.Do(
            new RunAction.Connect(
                builder, troubles.PauseOf(builder), pending.Add(builder, ConnectCause.Return, troubles.IsAwaited(builder), had)));
    }

    private void OnReconnectFailed(NixBuilder builder, NixBuildFarmException error, IReadOnlyList<RunJob> had)
    {
        troubles.BreakerOf(builder).Open();
        facts.Reporter.Decided($"{builder.Name} does not come back: {error.Message}");
        if (BuilderTroubles.CanPass(error))
        {
            troubles.Record(builder, error.Message);
            ReconnectLater(builder, had);
        }
        else
        {
            troubles.Tell(builder, error);
        }
    }

    /// <summary>Whether a build may be found again: it has begun, and it is known which paths say that it has ended.</summary>
    private static bool MayGoOn(Attempt attempt) =>
        attempt is { BuildBegun: not null, Job.Derivation.AreOutputPathsKnown: true };

    private IEnumerable<RunJob> InterruptedOn(int builder) =>
        interrupted.Where(build => build.Key.Builder == builder).Select(build => build.Value.Job).Where(job => !job.HasEnded);

    /// <summary>What a builder has not ended by the time it is back is built as any other job.</summary>
    private void Forget(int builder)
    {
        foreach (var build in interrupted.Keys.Where(build => build.Builder == builder).ToArray()) interrupted.Remove(build);
    }

    private void Join(RunBuilder builder)
    {
        var isNew = facts.Join(builder);
        facts.Do(new RunAction.Watch(builder));
        facts.Reporter.Decided(isNew ? $"{builder} has joined." : $"{builder} is back.");
    }

    /// <summary>
    /// A builder that was lost, and is back, still has the outputs of a job: they need not be built again, and may be copied back.
    /// </summary>
    private void UseAgain(RunJob job, RunBuilder at)
    {
        var builder = facts.IndexOf(at);
        interrupted.Remove((job.Index, builder), out var build);
        switch (facts.Scheduler.StateOf(job.Index))
        {
            case JobState.Done:
                facts.Apply(new SchedulingEvent.OutputsArrived(facts.Now, job.Index, builder));
                // What another has built since comes from there.
                if (job.Last?.Builder != builder) return;
                break;
            case JobState.Waiting or JobState.Ready:
                facts.Apply(new SchedulingEvent.JobResolved(facts.Now, job.Index, ExternalOutcome.Available, builder));
                facts.Reporter.Decided(
                    $"{job.Name} is not built again: {at} {(build is null ? "still has it" : "has built it meanwhile")}.");
                if (build is not null) End(build.Over(at, builder));
                facts.MarkDependentsReady(job);
                break;
            default:
                // Another builder is at it.
                return;
        }
        if (job.Last is not { Outcome: { } outcome } last || job.IsHome) return;
        job.Last = last.Over(at, builder);
        copyBacks.Begin(job.Last, outcome);
    }

    /// <summary>A build has ended while its builder was cut off. Its log has what was printed before.</summary>
    private void End(Attempt attempt)
    {
        var job = attempt.Job;
        job.Realised = job.NamedOutputs.ToDictionary();
        attempt.Step = AttemptStep.Ended;
        attempt.BuildEnded = facts.UtcNow;
        attempt.Outcome = new(new() { Status = BuildStatus.Built }, job.Realised, attempt.LogPath, [])
        {
            Ended = facts.UtcNow,
            OutputBytes = 0,
        };
        job.IsHome = false;
        job.Last = attempt;
        troubles.Clear(attempt.On.Builder);
    }
}
