using NixBuildFarm.History;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Supplying;

namespace NixBuildFarm.Deciding;

/// <summary>The attempts of a run that are under way, and the record of those that failed.</summary>
internal sealed class Attempts(RunFacts facts, CompileGrants grants)
{
    private readonly HashSet<Attempt> running = [];
    private int count;

    /// <summary>Those under way.</summary>
    public IReadOnlyCollection<Attempt> Running => running;

    /// <summary>Those whose build goes on at a builder.</summary>
    public IEnumerable<Attempt> BuildingOn(RunBuilder on) =>
        running.Where(attempt => attempt.On == on && attempt.Step == AttemptStep.Building);

    /// <summary>Starts one.</summary>
    /// <param name="job">What is built.</param>
    /// <param name="builder">Where.</param>
    /// <param name="cores">The cores that the scheduler counts it with.</param>
    /// <param name="reason">Why there and now, for the user.</param>
    public void Start(RunJob job, int builder, int cores, string reason)
    {
        var on = facts.Farm[builder];
        facts.Resolve(job);
        facts.Reporter.Decided($"{job.Name} → {on}: {reason}");
        var allowed = job.Limits.Cores ?? facts.Rules.CoresFor(on.Builder, cores);
        var counted = allowed > 0 ? allowed : cores;
        var scheduler = facts.Scheduler;
        var estimate = scheduler.EstimateOf(job.Index);
        var attempt = new Attempt(count++, job, on, builder, allowed, facts.UtcNow)
        {
            CountedCores = counted,
            Resolved = job.Resolved,
            Share = grants.TermsOf(job, builder, counted),
            Urgency = new(TransferPurpose.Needed, scheduler.RankOf(job.Index)),
            ExpectedSeconds = estimate.Seconds / scheduler.SpeedOf(builder, job.Index)
                * estimate.FactorOf(scheduler.Graph[job.Index].EnableParallelBuilding, counted),
            IsGuess = estimate.IsGuess,
        };
        job.Running.Add(builder, attempt);
        running.Add(attempt);
        grants.Start(attempt);
        facts.Do(new RunAction.StartBuild(attempt));
    }

    /// <summary>The inputs are there, and the build begins.</summary>
    public void Begin(RunEvent.BuildBegan began)
    {
        var attempt = began.Attempt;
        if (!Counts(attempt)) return;
        (attempt.Supplied, attempt.LogPath) = (began.Supplied, began.LogPath);
        attempt.BuildBegun = facts.UtcNow;
        attempt.Step = AttemptStep.Building;
        facts.Apply(new SchedulingEvent.JobStarted(facts.Now, attempt.Job.Index, attempt.Builder));
    }

    /// <summary>Ends an attempt that has a result or has failed.</summary>
    /// <param name="attempt">The attempt.</param>
    /// <param name="hasSucceeded">Whether its job is built.</param>
    /// <returns>False: it does not count any more.</returns>
    public bool TryEnd(Attempt attempt, bool hasSucceeded)
    {
        if (!Counts(attempt)) return false;
        Close(attempt, AttemptStep.Ended);
        if (!hasSucceeded) ForgetPhase(attempt);
        return true;
    }

    /// <summary>False if the attempt was called off, or another attempt has already finished the job.</summary>
    public bool Counts(Attempt attempt) => attempt.IsRunning && facts.Scheduler.Runs(attempt.Job.Index, attempt.Builder);

    /// <summary>Another builder has finished the job first.</summary>
    public void GiveWay(RunJob job, int builder)
    {
        if (CallOff(job, builder) is { } attempt) Record(attempt, NixBuildAttempt.GaveWayReason);
    }

    /// <summary>Nobody wants a job any more.</summary>
    public void CallOff(RunJob job)
    {
        foreach (var builder in job.Running.Keys.ToArray()) CallOff(job, builder);
    }

    /// <summary>Ends all attempts on a builder.</summary>
    public IReadOnlyList<Attempt> CallOffAll(int builder) => [.. facts.Jobs.Select(job => CallOff(job, builder)).OfType<Attempt>()];

    /// <summary>Takes an attempt back that cannot begin: its job is to be started again, there or elsewhere. It is not counted.</summary>
    public void Withdraw(Attempt attempt)
    {
        if (CallOff(attempt.Job, attempt.Builder) is null) return;
        facts.Apply(new SchedulingEvent.JobFailed(facts.Now, attempt.Job.Index, attempt.Builder, FailureKind.Retry));
    }

    /// <summary>Records an attempt that failed for a reason of its builder, and counts it.</summary>
    public void RecordFailure(Attempt attempt, string reason)
    {
        attempt.Job.Tries++;
        Record(attempt, reason);
    }

    /// <summary>Records an attempt that came to nothing.</summary>
    public void Record(Attempt attempt, string reason) => attempt.Job.Attempts.Add(new()
    {
        Builder = attempt.On.Name,
        Started = attempt.Begun,
        Duration = facts.UtcNow - attempt.Begun,
        Reason = reason,
    });

    /// <summary>Whether a job has no attempts left.</summary>
    public bool AreUsedUp(RunJob job) => job.Tries >= facts.Rules.MaxAttempts;

    /// <summary>Gives a job up that has no attempts left.</summary>
    public void GiveUp(Attempt last)
    {
        var job = last.Job;
        // Else something that it needs was given up already, and it with that.
        if (facts.Scheduler.StateOf(job.Index) is not (JobState.Waiting or JobState.Ready)) return;
        facts.Apply(new SchedulingEvent.JobResolved(facts.Now, job.Index, ExternalOutcome.Cancelled));
        facts.Fail(job, NixBuildStatus.Failed, last, error: $"Given up after {job.Tries} tries: {string.Join("; ", job.Attempts)}");
    }

    private Attempt? CallOff(RunJob job, int builder)
    {
        if (!job.Running.TryGetValue(builder, out var attempt)) return null;
        Close(attempt, AttemptStep.CalledOff);
        ForgetPhase(attempt);
        facts.Do(new RunAction.StopBuild(attempt));
        return attempt;
    }

    /// <summary>How long an attempt would have taken by its phase says nothing of the next one.</summary>
    private void ForgetPhase(Attempt attempt)
    {
        var job = attempt.Job;
        if (attempt.ExpectedByPhase is null || job.IsExpectedByPhase || !facts.Scheduler.Runs(job.Index, attempt.Builder)) return;
        facts.Apply(new SchedulingEvent.EstimateChanged(
            facts.Now, job.Index, facts.Scheduler.EstimateOf(job.Index).WithDurationOf(facts.Estimates.Current[job.Index])));
    }

    private void Close(Attempt attempt, AttemptStep step)
    {
        attempt.Step = step;
        attempt.Job.Running.Remove(attempt.Builder);
        running.Remove(attempt);
    }
}
