using NixBuildFarm.History;
using NixBuildFarm.Protocol;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Supplying;

namespace NixBuildFarm.Deciding;

/// <summary>
/// Decides what a run does: applies events, tells the scheduler, and turns what follows into actions, which lie in <see cref="RunFacts"/>. It
/// starts no task and waits for nothing.
/// </summary>
internal sealed class LiveRun
{
    private readonly RunFacts facts;
    private readonly CompileGrants grants;
    private readonly Attempts attempts;
    private readonly CopyBacks copyBacks;
    private readonly BuilderTroubles troubles;
    private readonly PendingBuilders pending;
    private readonly FailureRules failures;
    private readonly Learning learning;
    private bool hasToldOfLogs;

    public LiveRun(RunFacts facts, ILessons lessons, IEnumerable<BuilderTrouble> known)
    {
        this.facts = facts;
        grants = new(facts);
        attempts = new(facts, grants);
        var rebuilds = new Rebuilds(facts, attempts);
        troubles = new(facts, lessons, known);
        pending = new(facts, troubles);
        copyBacks = new(facts, attempts, rebuilds, pending);
        Membership = new(facts, attempts, rebuilds, copyBacks, troubles, pending);
        failures = new(facts, attempts, rebuilds, Membership);
        learning = new(facts, lessons);
    }

    /// <summary>Which builders take part.</summary>
    public Membership Membership { get; }

    /// <summary>Whether every job has ended, and every output is where it should be.</summary>
    public bool IsOver => facts.Scheduler.Remaining + copyBacks.Pending == 0;

    /// <summary>When the scheduler wants to decide again, though nothing happens, in seconds of the run; null: never.</summary>
    public double? NextWakeup => facts.Scheduler.NextWakeup;

    /// <summary>Registers a builder that connects as the run begins.</summary>
    public PendingConnection Expect() => pending.Add(new(ConnectCause.FirstTime, IsAwaited: true, []));

    /// <summary>Begins the run.</summary>
    public void Begin()
    {
        foreach (var job in facts.Jobs.Where(job => job.IsSubstitution)) facts.Do(new RunAction.Fetch(job));
        foreach (var job in facts.Jobs) facts.MarkReady(job.Index);
        foreach (var session in facts.Farm.Append(facts.Local).Distinct()) facts.Do(new RunAction.Watch(session));
    }

    /// <summary>Applies an event.</summary>
    public void Apply(RunEvent happened)
    {
        switch (happened)
        {
            case RunEvent.BuildBegan e: attempts.Begin(e.Attempt); break;
            case RunEvent.BuildEnded e: OnBuildEnded(e.Attempt, e.Outcome); break;
            case RunEvent.AttemptFailed e when attempts.Counts(e.Attempt): Judge(e, e.Error, e.Attempt); break;
            case RunEvent.AttemptFailed: break;
            case RunEvent.AttemptReleased e: e.Attempt.Dispose(); break;
            case RunEvent.InputsArrived e: facts.Apply(new SchedulingEvent.InputsArrived(facts.Clock.Now, e.Job.Index, e.Builder)); break;
            case RunEvent.Fetched e: OnFetched(e.Job, e.Begun); break;
            case RunEvent.FetchFailed e: OnFetchFailed(e.Job, e.Error); break;
            case RunEvent.CameHome e: copyBacks.End(e); break;
            case RunEvent.CopyBackFailed e: Judge(e, e.Error, e.Copy.Attempt); break;
            case RunEvent.BuilderConnected e: Membership.OnConnected(e); break;
            case RunEvent.ConnectFailed e: Membership.OnConnectFailed(e); break;
            case RunEvent.BuilderSilent e: Membership.OnSilent(e); break;
            case RunEvent.BuilderAnswered e: OnAnswered(e); break;
            case RunEvent.CompilesChanged e: grants.Apply(e.Happened); break;
            case RunEvent.PauseOver e: Membership.OnPauseOver(e); break;
            case RunEvent.LinkMeasured e: learning.FromTransfer(e.Transfer); break;
            case RunEvent.Unforeseen e: throw new InvalidOperationException($"Something that NixBuildFarm did not foresee: {e.Error.Message}", e.Error);
            default: throw new InvalidOperationException($"{happened} happened, which the run does not know.");
        }
    }

    /// <summary>Has the scheduler decide, and reports progress.</summary>
    public void Decide()
    {
        var scheduler = facts.Scheduler;
        foreach (var decision in scheduler.Decide(facts.Clock.Now))
        {
            // A run that stops starts nothing more, but still says what became of each job.
            if (facts.IsStopped && decision is not SchedulingDecision.Abandon) continue;
            Carry(decision);
        }
        grants.Decide();
        facts.Reporter.Progress(attempts.Running, () => Forecast.Of(scheduler, attempts.Running, facts.Clock.UtcNow));
    }

    /// <summary>The run has stopped: decides on what the last events brought, and ends every job that has not ended.</summary>
    public void End()
    {
        Decide();
        foreach (var job in facts.Jobs.Where(job => !job.HasEnded))
        {
            facts.Reporter.End(job, NixBuildStatus.Cancelled, error: "The run was stopped before it could be built.");
        }
        if (facts.Fatal is { } fatal) throw fatal;
    }

    private void Carry(SchedulingDecision decision)
    {
        switch (decision)
        {
            case SchedulingDecision.Start d:
                attempts.Start(facts.Jobs[d.Job], d.Builder, d.Cores, $"{d.Reason.InWords()}, in about {Math.Max(0, d.Finish - facts.Clock.Now):0.0} s");
                break;
            case SchedulingDecision.Hedge d: attempts.Start(facts.Jobs[d.Job], d.Builder, d.Cores, "a second try, since the first is late"); break;
            case SchedulingDecision.Prefetch d:
                var urgency = new Urgency(TransferPurpose.Prefetch, facts.Scheduler.RankOf(d.Job));
                facts.Do(new RunAction.Prefetch(facts.Jobs[d.Job], facts.Farm[d.Builder], d.Builder, urgency));
                break;
            case SchedulingDecision.Cancel d: attempts.GiveWay(facts.Jobs[d.Job], d.Builder); break;
            case SchedulingDecision.Abandon d:
                facts.Reporter.End(facts.Jobs[d.Job], NixBuildStatus.DependencyFailed, error: $"It needs {facts.Jobs[d.Cause].Name}, which was not built.");
                break;
            case SchedulingDecision.NoBuilder d: pending.OnNoBuilder(facts.Jobs[d.Job]); break;
            default: throw new InvalidOperationException($"The scheduler decided {decision}, which the run does not know.");
        }
    }

    private void OnBuildEnded(Attempt attempt, BuildOutcome outcome)
    {
        if (!attempts.TryEnd(attempt)) return;
        TellOfLogs(attempt);
        if (!outcome.Result.IsSuccess)
        {
            failures.OnBuildFailed(attempt, outcome);
            return;
        }
        var job = attempt.Job;
        troubles.Clear(attempt.Session.Builder);
        if (job.Goal is not null) job.Realised = outcome.Outputs;
        attempt.Outcome = outcome;
        attempt.OutputBytes = job.Outputs.Sum(path => facts.Catalog.Find(path)?.NarSize ?? 0);
        job.Last = attempt;
        var finished = new SchedulingEvent.JobFinished(facts.Clock.Now, job.Index, attempt.Builder, attempt.OutputBytes);
        facts.Apply(finished);
        if (outcome.Result.Status == BuildStatus.Built) learning.FromBuild(attempt, finished);
        facts.MarkDependentsReady(job);
        copyBacks.Begin(attempt, outcome);
    }

    /// <summary>A build does not fail for want of a log; once is enough to tell.</summary>
    private void TellOfLogs(Attempt attempt)
    {
        if (attempt.LogProblem is not { } problem || hasToldOfLogs) return;
        hasToldOfLogs = true;
        facts.Reporter.Degraded($"Logs cannot be kept, that of {attempt.Job.Name} for one: {problem} The builds go on without.");
    }

    private void OnFetched(RunJob job, DateTimeOffset begun)
    {
        facts.Apply(new SchedulingEvent.JobResolved(facts.Clock.Now, job.Index, ExternalOutcome.Available));
        facts.MarkDependentsReady(job);
        facts.Reporter.EndSubstituted(job, begun);
    }

    private void OnFetchFailed(RunJob job, Errors.NixBuildFarmException error)
    {
        facts.Apply(new SchedulingEvent.JobResolved(facts.Clock.Now, job.Index, ExternalOutcome.Cancelled));
        facts.Fail(job, NixBuildStatus.Failed, error: $"It could not be fetched: {error.Message}");
    }

    /// <summary>
    /// Finds out whether the builder that an error names is lost, and settles the event with the answer. A single connection may break, or a new
    /// one be refused, while the builder is well otherwise: then it is asked.
    /// </summary>
    private void Judge(RunEvent cause, Exception error, Attempt attempt)
    {
        if (facts.SuspectOf(error, attempt.Session) is not { } suspect || error is not Errors.BuilderException e)
        {
            Settle(cause, SuspectState.None);
        }
        else if (e.Failure is Errors.BuilderFailure.ConnectionLost or Errors.BuilderFailure.Unreachable)
        {
            facts.Do(new RunAction.Probe(suspect, e, cause));
        }
        else
        {
            Membership.OnLost(suspect, e);
            Settle(cause, SuspectState.Lost);
        }
    }

    private void OnAnswered(RunEvent.BuilderAnswered answered)
    {
        if (!answered.Answers) Membership.OnLost(answered.Session, answered.Error);
        Settle(answered.Cause, answered.Answers ? SuspectState.Answers : SuspectState.Lost);
    }

    private void Settle(RunEvent cause, SuspectState suspect)
    {
        switch (cause)
        {
            case RunEvent.AttemptFailed e when attempts.TryEnd(e.Attempt): failures.OnAttemptFailed(e.Attempt, e.Error, suspect); break;
            case RunEvent.CopyBackFailed e: copyBacks.Fail(e, suspect); break;
        }
    }
}
