using NixBuildFarm.Builders.Policies;
using NixBuildFarm.History;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Deciding;

/// <summary>Copies outputs back to the local store, and decides what becomes of a job whose outputs cannot come.</summary>
internal sealed class CopyBacks(RunFacts facts, Attempts attempts, Rebuilds rebuilds, PendingBuilders builders)
{
    private int copies;

    /// <summary>How many have not ended.</summary>
    public int Pending { get; private set; }

    /// <summary>
    /// Copies back what an attempt built, if it is to. A requested job ends when its outputs are here, any other when it is built.
    /// </summary>
    public void Begin(Attempt attempt, BuildOutcome outcome)
    {
        var job = attempt.Job;
        var copy = new CopyHome(copies++, attempt, outcome, job.Outputs);
        var isWanted = IsWanted(attempt);
        if (!isWanted || !job.MustComeHome) facts.Reporter.End(job, copy.Status, attempt, outcome);
        if (isWanted) Bring(copy);
        else if (!job.IsHome && job.Pushes.Exists(push => push.IsAwaited)) Bring(copy with { IsForPush = true });
    }

    /// <summary>Copies back what only a push needs here.</summary>
    public void BringForPush(Attempt attempt, BuildOutcome outcome) =>
        Bring(new CopyHome(copies++, attempt, outcome, attempt.Job.Outputs) { IsForPush = true });

    private void Bring(CopyHome copy)
    {
        Pending++;
        copy.Attempt.Job.ComingHome = copy.Attempt;
        facts.Do(new RunAction.BringHome(copy));
    }

    /// <summary>Outputs are in the local store.</summary>
    public void End(RunEvent.CameHome came)
    {
        var (copy, begun, ended) = came;
        var (attempt, job) = (copy.Attempt, copy.Attempt.Job);
        (attempt.HomeBegun, attempt.HomeEnded) = (begun, ended);
        Settle(copy);
        facts.MarkHome(job);
        // One that is not requested has been told of already, or nobody asks for it any more.
        facts.Reporter.End(job, copy.Status, attempt, copy.Outcome);
    }

    /// <summary>Nobody asks for a job itself any more: if it is done, it has ended, wherever its outputs are.</summary>
    public void StopWaiting(RunJob job)
    {
        if (facts.Scheduler.StateOf(job.Index) != JobState.Done || job.Last is not { Outcome: { } outcome } last) return;
        facts.Reporter.End(job, new CopyHome(0, last, outcome, job.Outputs).Status, last, outcome);
    }

    /// <summary>Outputs could not be copied back.</summary>
    public void Fail(RunEvent.CopyBackFailed failed, SuspectState suspect)
    {
        var (copy, begun, ended, error, _) = failed;
        (copy.Attempt.HomeBegun, copy.Attempt.HomeEnded) = (begun, ended);
        switch (suspect)
        {
            case SuspectState.Lost:
                FailWithBuilder(copy, error);
                break;
            case SuspectState.Answers when copy.Failures + 1 < facts.Rules.MaxAttempts:
                facts.Do(new RunAction.BringHome(copy with { Number = copies++, Failures = copy.Failures + 1 }));
                break;
            case SuspectState.None when Rebuilds.UselessPathOf(error) is null:
                GiveUp(copy, error);
                break;
            default:
                BuildElsewhere(copy, error, failed.IsPathGone);
                break;
        }
    }

    /// <summary>Whether there is, or may come, a builder beside the one that cannot give the outputs.</summary>
    private bool HasOtherBuilder => facts.Scheduler.Builders.Count > 1 || builders.AreConnecting;

    private void Settle(CopyHome copy)
    {
        Pending--;
        // Another copy may have begun, from a builder that is back.
        if (copy.Attempt.Job.ComingHome == copy.Attempt) copy.Attempt.Job.ComingHome = null;
    }

    private bool IsWanted(Attempt attempt)
    {
        if (attempt.Job.IsHome) return false;
        var wanted = facts.Rules.CopyBackOf(attempt.On.Builder);
        return wanted == CopyBack.All || (wanted == CopyBack.Requested && attempt.Job.IsRequested) || attempt.Job.IsAwaitedAtHome;
    }

    private void GiveUp(CopyHome copy, Exception error)
    {
        var (attempt, job) = (copy.Attempt, copy.Attempt.Job);
        Settle(copy);
        // The job has ended as it should, unless it was asked for since; and the push says what it lacks.
        if (copy.IsForPush && !IsWanted(attempt)) return;
        // Where the builder was lost, a requested job is being built again, or comes from a builder that is back.
        if (job.MustComeHome && facts.Scheduler.StateOf(job.Index) == JobState.Done && job.Last == attempt)
        {
            facts.Fail(
                job,
                NixBuildStatus.Failed,
                attempt,
                copy.Outcome,
                $"It was built on {attempt.On}, but could not be brought home: {error.Message}");
        }
        else if (!job.MustComeHome)
        {
            facts.Reporter.Degraded($"{job.Name} was built on {attempt.On}, and could not be brought home: {error.Message}");
        }
    }

    /// <summary>A requested job was built, and its builder cannot give the outputs: another builder builds it.</summary>
    private void BuildElsewhere(CopyHome copy, Exception error, bool isPathGone)
    {
        var (attempt, job) = (copy.Attempt, copy.Attempt.Job);
        if (!job.MustComeHome || job.HasEnded || facts.Scheduler.StateOf(job.Index) != JobState.Done || job.Last != attempt
            || !HasOtherBuilder)
        {
            GiveUp(copy, error);
            return;
        }
        Settle(copy);
        facts.Do(new RunAction.DropPaths(attempt.On, job.Outputs));
        var reason = Rebuilds.InWords(error);
        if (isPathGone && Rebuilds.UselessPathOf(error) is { } useless && !job.Outputs.Contains(useless))
        {
            rebuilds.BuildAgain(useless, reason);
        }
        rebuilds.BuildAgain(job, reason);
    }

    /// <summary>
    /// The builder was lost during the copy. A requested job is being built again, or its outputs come when the builder is back; but it has
    /// no more attempts than others.
    /// </summary>
    private void FailWithBuilder(CopyHome copy, Exception error)
    {
        var (attempt, job) = (copy.Attempt, copy.Attempt.Job);
        GiveUp(copy, error);
        if (!job.MustComeHome || job.HasEnded || facts.Scheduler.StateOf(job.Index) is not (JobState.Waiting or JobState.Ready)) return;
        attempts.RecordFailure(attempt, error.Message);
        if (attempt.On.WasGivenUp && HasOtherBuilder) rebuilds.Exclude(job.Index, attempt.Builder);
        if (attempts.AreUsedUp(job)) attempts.GiveUp(attempt);
    }
}
