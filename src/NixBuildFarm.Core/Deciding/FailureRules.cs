using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Protocol;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Supplying;

namespace NixBuildFarm.Deciding;

/// <summary>
/// What follows a failed attempt: the job fails for good, or is tried again, here or elsewhere, as long as attempts are left; and what that
/// says of the builder.
/// </summary>
internal sealed class FailureRules(
    RunFacts facts, Attempts attempts, Admission admission, Rebuilds rebuilds, Membership membership)
{
    /// <summary>Where others have more than this part of the memory, one that was killed may fit another time.</summary>
    private const int MuchOfMemory = 4;

    /// <summary>A build ended, and its result is a failure.</summary>
    public void OnBuildFailed(Attempt attempt, BuildOutcome outcome)
    {
        var job = attempt.Job;
        var wasKilled = FailureClassifier.WasKilled(outcome.Result);
        if (wasKilled && !job.WasKilled)
        {
            TryWithMoreMemory(
                attempt,
                MemoryShortage.After(facts.Scheduler, job.Index, attempt.Builder, facts.Now, hadNeighbours: HasNeighbours(attempt)));
            return;
        }
        if (FailureClassifier.SwitchedOff(outcome.Result) is { } feature)
        {
            TryWhereItIsOn(attempt, feature, FailureText.InOneLine(outcome.Result.ErrorMessage));
            return;
        }
        var kind = FailureClassifier.KindOf(outcome.Result);
        if (kind != FailureKind.Permanent)
        {
            Retry(attempt, kind, FailureText.InOneLine(outcome.Result.ErrorMessage));
            return;
        }
        ApplyFailed(attempt, FailureKind.Permanent);
        var status = outcome.Result.Status == BuildStatus.TimedOut ? NixBuildStatus.TimedOut : NixBuildStatus.Failed;
        facts.Fail(job, status, attempt, outcome, wasKilled ? KillingOf(attempt) : null);
    }

    /// <summary>Whether the machine has told of more builds than ours, or of much memory that others have.</summary>
    private bool HasNeighbours(Attempt attempt) =>
        facts.Scheduler.DescriptionOf(attempt.Builder) is { OthersMemory: var others, Memory: var all } && others > all / MuchOfMemory
            || facts.Readings.TryGetValue(attempt.On.Name, out var reading)
                && reading.Builds.Count > attempts.BuildingOn(attempt.On).Count() + 1;

    /// <summary>An attempt ended without a result.</summary>
    public void OnAttemptFailed(RunEvent.AttemptFailed failed, SuspectState suspect)
    {
        var (attempt, error, isPathGone) = failed;
        var isLost = suspect == SuspectState.Lost;
        // It may be tried here again when this builder is not the one to blame.
        var mayTryHere = isLost
            || error is PathLostException or DamagedPathException or BuilderException { Failure: BuilderFailure.ConnectionLost }
            // One that is too busy to answer in time is better than none.
            || (error is BuilderException { Failure: BuilderFailure.Unreachable } && !HasAnother(attempt));
        var reason = Rebuilds.InWords(error);
        if (error is UnsignedPathException) TryElsewhere(attempt, error.Message);
        else if (error is DaemonException refusal && FailureClassifier.SwitchedOff(refusal.Text) is { } feature)
        {
            TryWhereItIsOn(attempt, feature, reason);
        }
        else if (FailureClassifier.IsUnknownToNix(reason)) TryWithAnotherNix(attempt, reason);
        else Retry(attempt, mayTryHere ? FailureKind.Retry : FailureKind.RetryElsewhere, reason);
        if (Rebuilds.UselessPathOf(error) is { } path)
        {
            if (isPathGone) rebuilds.BuildAgain(path, reason);
        }
        else if (!isLost && attempt.Job.Tries > 1 && facts.SuspectOf(error, attempt.On) is { } giver && giver != attempt.On)
        {
            // A builder that answers fails again and again to give the inputs of the job: it is no source of them any more.
            facts.Do(new RunAction.DropSource(giver, attempt.Job, error.Message));
        }
    }

    /// <summary>Whether another builder may take the job of an attempt.</summary>
    private bool HasAnother(Attempt attempt) =>
        facts.Scheduler.WhyNot(attempt.Job.Index).Where((why, builder) => why is null && builder != attempt.Builder).Any();

    /// <summary>
    /// Once more: on a machine that has more memory, or does not tell how much, or on this one alone where others ran beside it.
    /// </summary>
    private void TryWithMoreMemory(Attempt attempt, IReadOnlyList<SchedulingEvent> shortage)
    {
        attempts.RecordFailure(attempt, KillingOf(attempt));
        // Where it is killed with a machine to itself, or again and again, the next time is the last.
        var hadAll = shortage.Any(happened => happened is SchedulingEvent.JobFailed { Kind: FailureKind.RetryElsewhere });
        attempt.Job.WasKilled = hadAll || attempts.AreUsedUp(attempt.Job);
        foreach (var happened in shortage) facts.Apply(happened);
    }

    /// <summary>On a builder that has another Nix, or does not tell which.</summary>
    private void TryWithAnotherNix(Attempt attempt, string reason)
    {
        attempts.RecordFailure(attempt, reason);
        ApplyFailed(attempt, FailureKind.RetryElsewhere);
        if (attempt.On.NixVersion is { } version) ExcludeOthers(attempt, other => other.NixVersion == version);
        if (attempts.AreUsedUp(attempt.Job) && attempt.Job.Running.Count == 0) attempts.GiveUp(attempt);
    }

    /// <summary>
    /// A builder that has the feature switched off has not been tried. Other jobs that need the feature are not sent to it.
    /// </summary>
    private void TryWhereItIsOn(Attempt attempt, string feature, string reason)
    {
        if (facts.SwitchedOff.Add((attempt.On.Name, feature)))
        {
            facts.Reporter.Degraded($"{attempt.On} does not build what needs {feature}: its nix.conf does not enable that experimental "
                + "feature of Nix. Others build it, if they can.");
        }
        TryElsewhere(attempt, reason);
        foreach (var job in facts.Jobs.Where(job => FailureClassifier.Needs(job.Derivation, feature) && job != attempt.Job))
        {
            if (facts.Scheduler.StateOf(job.Index) is JobState.Waiting or JobState.Ready) rebuilds.Exclude(job.Index, attempt.Builder);
        }
    }

    private void ExcludeOthers(Attempt attempt, Func<RunBuilder, bool> isUseless)
    {
        for (var other = 0; other < facts.Farm.Count; other++)
        {
            if (other != attempt.Builder && isUseless(facts.Farm[other])) rebuilds.Exclude(attempt.Job.Index, other);
        }
    }

    /// <summary>A builder that does not take an input has not been tried.</summary>
    private void TryElsewhere(Attempt attempt, string reason)
    {
        attempts.Record(attempt, reason);
        ApplyFailed(attempt, FailureKind.RetryElsewhere);
    }

    private void Retry(Attempt attempt, FailureKind kind, string reason)
    {
        var job = attempt.Job;
        attempts.RecordFailure(attempt, reason);
        // Another attempt at it may still run.
        ApplyFailed(attempt, kind);
        if (FailureClassifier.IsOutOfSpace(reason)) admission.TakeFull(attempt.On);
        if (kind == FailureKind.RetryElsewhere) membership.CountFault(attempt.On, reason);
        if (!attempts.AreUsedUp(job)) facts.Reporter.Degraded($"{job.Name} failed on {attempt.On}, and is tried again: {reason}");
        else if (job.Running.Count == 0) attempts.GiveUp(attempt);
    }

    private void ApplyFailed(Attempt attempt, FailureKind kind) =>
        facts.Apply(new SchedulingEvent.JobFailed(facts.Now, attempt.Job.Index, attempt.Builder, kind));

    private static string KillingOf(Attempt attempt) => FailureClassifier.Killing(attempt.On.Name, attempt.On.Memory);
}
