using System.Globalization;
using NixBuildFarm.Builders;
using NixBuildFarm.History;
using NixBuildFarm.Protocol;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Supplying;

namespace NixBuildFarm.Deciding;

/// <summary>
/// Decides what a run does: applies events, tells the scheduler, and turns what follows into actions, which lie in <see cref="RunFacts"/>.
/// It starts no task, waits for nothing and reads no clock: the same events give the same actions.
/// </summary>
internal sealed class LiveRun
{
    private readonly RunFacts facts;
    private readonly CompileGrants grants;
    private readonly Attempts attempts;
    private readonly Neighbours neighbours;
    private readonly Rebuilds rebuilds;
    private readonly CopyBacks copyBacks;
    private readonly Membership membership;
    private readonly BuilderTroubles troubles;
    private readonly PendingBuilders pending;
    private readonly FailureRules failures;
    private readonly Learning learning;
    private readonly Sampling sampling;
    private readonly Admission admission;
    private readonly Requests requests;
    private readonly Expansions expansions;
    private readonly HashSet<(string Package, int Builder)> toldOfMemory = [];
    private bool hasToldOfLogs;

    public LiveRun(RunFacts facts, IEnumerable<BuilderTrouble> known)
    {
        this.facts = facts;
        grants = new(facts);
        attempts = new(facts, grants);
        sampling = new(facts, attempts);
        admission = new(facts, attempts, grants);
        neighbours = new(facts, attempts);
        rebuilds = new(facts, attempts);
        troubles = new(facts, known);
        pending = new(facts, troubles);
        copyBacks = new(facts, attempts, rebuilds, pending);
        membership = new(facts, attempts, rebuilds, copyBacks, troubles, pending);
        failures = new(facts, attempts, admission, rebuilds, membership);
        learning = new(facts);
        requests = new(facts, attempts, rebuilds, copyBacks);
        expansions = new(facts, copyBacks, requests);
    }

    /// <summary>Whether every job has ended, and every output is where it should be.</summary>
    public bool IsOver => facts.Scheduler.Remaining + copyBacks.Pending == 0;

    /// <summary>When the scheduler wants to decide again, though nothing happens, in seconds of the run; null: never.</summary>
    public double? NextWakeup => facts.Scheduler.NextWakeup;

    /// <summary>Why the run could not go on; null: it has come to its end.</summary>
    public Errors.BuilderException? Fatal => facts.Fatal;

    /// <summary>Takes the next action that was decided.</summary>
    public bool TryTakeAction(out RunAction? action) => facts.TryTakeAction(out action);

    /// <summary>Applies an event.</summary>
    public void Apply(RunEvent happened)
    {
        facts.PassTo(happened.At);
        switch (happened)
        {
            case RunEvent.Began e: Begin(e); break;
            case RunEvent.WorkAdded e: expansions.Begin(requests.Add(e)); break;
            case RunEvent.Expanded e: expansions.Join(e); break;
            case RunEvent.ExpandFailed e: expansions.Fail(e); break;
            case RunEvent.BuildersFound e: Expect(e.Connecting, e.Quarantined); break;
            case RunEvent.WorkWithdrawn e: requests.Withdraw(e.Request); break;
            case RunEvent.SlotAwaited e: neighbours.OnSlotAwaited(e); break;
            case RunEvent.SlotFree e: neighbours.OnSlotFree(e); break;
            case RunEvent.BuildBegan e: attempts.Begin(e); break;
            case RunEvent.BuildEnded e: OnBuildEnded(e.Attempt, e.Outcome); break;
            case RunEvent.AttemptFailed e when attempts.Counts(e.Attempt): Judge(e, e.Error, e.Attempt); break;
            case RunEvent.AttemptFailed: break;
            case RunEvent.InputsArrived e: facts.Apply(new SchedulingEvent.InputsArrived(facts.Now, e.Job.Index, e.Builder)); break;
            case RunEvent.Fetched e: OnFetched(e.Job, e.Begun); break;
            case RunEvent.FetchFailed e: OnFetchFailed(e.Job, e.Error); break;
            case RunEvent.CameHome e: OnCameHome(e); break;
            case RunEvent.CopyBackFailed e: Judge(e, e.Error, e.Copy.Attempt); break;
            case RunEvent.BuilderConnected e: membership.OnConnected(e); break;
            case RunEvent.ConnectFailed e: membership.OnConnectFailed(e); break;
            case RunEvent.BuilderSilent e: membership.OnSilent(e); break;
            case RunEvent.BuilderAnswered e: OnAnswered(e); break;
            case RunEvent.Disconnected e: OnDisconnected(e); break;
            case RunEvent.SourceDropped e: OnSourceDropped(e); break;
            case RunEvent.CompilesChanged e: grants.Apply(e.Happened); break;
            case RunEvent.PauseOver e: membership.OnPauseOver(e); break;
            case RunEvent.MachineRead e: sampling.Take(e); admission.Take(e); break;
            case RunEvent.LinkMeasured e: learning.FromLink(e); break;
            case RunEvent.Unforeseen e: throw new InvalidOperationException(
                $"Something that NixBuildFarm did not foresee: {e.Error.Message}", e.Error);
            default: throw new InvalidOperationException($"{happened} happened, which the run does not know.");
        }
        requests.WantUndone();
        requests.EndFailed();
        requests.EndDone();
    }

    /// <summary>Has the scheduler decide, and reports progress.</summary>
    /// <param name="now">The time: seconds since the run began.</param>
    public void Decide(double now)
    {
        facts.PassTo(now);
        var scheduler = facts.Scheduler;
        foreach (var decision in scheduler.Decide(facts.Now))
        {
            // A run that stops starts nothing more, but still says what became of each job.
            if (facts.IsStopped && decision is not SchedulingDecision.Abandon) continue;
            Carry(decision);
            requests.EndFailed();
        }
        requests.EndFailed();
        grants.Decide();
        requests.EndDone();
        facts.Reporter.Progress(attempts.Running, () => Forecast.Of(scheduler, attempts.Running, facts.UtcNow));
    }

    /// <summary>The run has stopped: decides on what the last events brought, and ends every job that has not ended.</summary>
    /// <param name="now">The time: seconds since the run began.</param>
    public void End(double now)
    {
        facts.Stop();
        Decide(now);
        foreach (var job in facts.Jobs.Where(job => !job.HasEnded))
        {
            facts.Reporter.End(job, NixBuildStatus.Cancelled, error: "The run was stopped before it could be built.");
        }
    }

    private void Expect(IEnumerable<NixBuilder> connecting, IEnumerable<(NixBuilder Builder, BuilderTrouble Trouble)> quarantined)
    {
        foreach (var builder in connecting)
        {
            facts.Do(new RunAction.Await(builder, pending.Add(builder, ConnectCause.FirstTime, isAwaited: true)));
        }
        foreach (var (builder, trouble) in quarantined) membership.Quarantine(builder, trouble);
    }

    private void Begin(RunEvent.Began began)
    {
        Expect(began.Connecting, began.Quarantined);
        foreach (var (builder, error) in began.Missing) membership.OnConnectFailed(builder, error);
        foreach (var job in facts.Jobs.Where(job => job.IsSubstitution)) facts.Do(new RunAction.Fetch(job));
        foreach (var job in facts.Jobs) facts.MarkReady(job.Index);
        expansions.Begin(facts.Jobs);
        foreach (var builder in facts.Farm.Append(facts.Local).Distinct()) facts.Do(new RunAction.Watch(builder));
    }

    private void Carry(SchedulingDecision decision)
    {
        switch (decision)
        {
            // A decision before this one may have ended the requests that want the job.
            case SchedulingDecision.Start or SchedulingDecision.Hedge or SchedulingDecision.Prefetch or SchedulingDecision.NoBuilder
                when IsGivenUp(decision):
                break;
            case SchedulingDecision.Start d:
                if (d.Reason == PlacementReason.MostMemory) TellOfMemory(d);
                attempts.Start(
                    facts.Jobs[d.Job], d.Builder, d.Cores, $"{d.Reason.InWords()}, in about {Math.Max(0, d.Finish - facts.Now):0.0} s");
                break;
            case SchedulingDecision.Hedge d:
                attempts.Start(facts.Jobs[d.Job], d.Builder, d.Cores, "a second try, since the first is late");
                break;
            case SchedulingDecision.Prefetch d:
                facts.Resolve(facts.Jobs[d.Job]);
                var urgency = new Urgency(TransferPurpose.Prefetch, facts.Scheduler.RankOf(d.Job));
                facts.Do(new RunAction.Prefetch(facts.Jobs[d.Job], facts.Farm[d.Builder], d.Builder, urgency));
                break;
            case SchedulingDecision.Cancel d: attempts.GiveWay(facts.Jobs[d.Job], d.Builder); break;
            case SchedulingDecision.Abandon d:
                facts.Reporter.End(
                    facts.Jobs[d.Job],
                    NixBuildStatus.DependencyFailed,
                    error: $"It needs {facts.Jobs[d.Cause].Name}, which was not built.");
                break;
            case SchedulingDecision.NoBuilder d: pending.OnNoBuilder(facts.Jobs[d.Job]); break;
            default: throw new InvalidOperationException($"The scheduler decided {decision}, which the run does not know.");
        }
    }

    /// <summary>Once for each package and builder.</summary>
    private void TellOfMemory(SchedulingDecision.Start start)
    {
        if (!toldOfMemory.Add((PackagePriors.KeyOf(facts.Scheduler.Graph[start.Job]), start.Builder))) return;
        facts.Reporter.Degraded(string.Create(
            CultureInfo.InvariantCulture,
            $"{facts.Jobs[start.Job].Name} may need {facts.Scheduler.MemoryNeedOf(start.Job, start.Builder) / 1e9:0.#} GB of "
                + $"memory, more than any builder has that may take it. "
                + $"{facts.Farm[start.Builder]} has most, and builds nothing beside it."));
    }

    private bool IsGivenUp(SchedulingDecision decision) => facts.Scheduler.StateOf(decision switch
    {
        SchedulingDecision.Start d => d.Job,
        SchedulingDecision.Hedge d => d.Job,
        SchedulingDecision.Prefetch d => d.Job,
        SchedulingDecision.NoBuilder d => d.Job,
        _ => throw new InvalidOperationException($"{decision} starts nothing."),
    }) == JobState.Abandoned;

    private void OnBuildEnded(Attempt attempt, BuildOutcome outcome)
    {
        if (!attempts.TryEnd(attempt)) return;
        if (outcome.Shared is { } shared) outcome = outcome with { Shared = grants.Weigh(attempt, shared) };
        attempt.BuildEnded = outcome.Ended;
        outcome = sampling.Complete(attempt, outcome);
        TellOfLogs(attempt, outcome);
        if (!outcome.Result.IsSuccess)
        {
            if (FailureClassifier.WasKilled(outcome.Result)) learning.FromKilled(attempt, outcome);
            failures.OnBuildFailed(attempt, outcome);
            return;
        }
        var job = attempt.Job;
        if (!outcome.WasAtHome) troubles.Clear(attempt.On.Builder);
        job.Realised = outcome.Outputs;
        job.BuiltFrom = attempt.Resolved;
        attempt.Outcome = outcome;
        attempt.OutputBytes = outcome.OutputBytes;
        job.IsHome = attempt.On.IsLocal;
        job.Last = attempt;
        var finished = new SchedulingEvent.JobFinished(facts.Now, job.Index, attempt.Builder, attempt.OutputBytes);
        facts.Apply(finished);
        if (outcome.WasAtHome) facts.MarkHome(job);
        if (outcome.Result.Status == BuildStatus.Built) learning.FromBuild(attempt, finished);
        facts.MarkDependentsReady(job);
        copyBacks.Begin(attempt, outcome);
        expansions.BeginAfter(job);
    }

    private void OnCameHome(RunEvent.CameHome came)
    {
        copyBacks.End(came);
        expansions.BeginAfter(came.Copy.Attempt.Job);
    }

    /// <summary>A build does not fail for want of a log; once is enough to tell.</summary>
    private void TellOfLogs(Attempt attempt, BuildOutcome outcome)
    {
        if (outcome.LogProblem is not { } problem || hasToldOfLogs) return;
        hasToldOfLogs = true;
        facts.Reporter.Degraded($"Logs cannot be kept, that of {attempt.Job.Name} for one: {problem} The builds go on without.");
    }

    private void OnFetched(RunJob job, DateTimeOffset begun)
    {
        if (facts.Scheduler.StateOf(job.Index) is not (JobState.Waiting or JobState.Ready)) return;
        facts.Apply(new SchedulingEvent.JobResolved(facts.Now, job.Index, ExternalOutcome.Available));
        facts.MarkDependentsReady(job);
        facts.Reporter.EndSubstituted(job, begun);
        expansions.BeginAfter(job);
    }

    private void OnFetchFailed(RunJob job, Errors.NixBuildFarmException error)
    {
        if (facts.Scheduler.StateOf(job.Index) is not (JobState.Waiting or JobState.Ready)) return;
        facts.Apply(new SchedulingEvent.JobResolved(facts.Now, job.Index, ExternalOutcome.Cancelled));
        facts.Fail(job, NixBuildStatus.Failed, error: $"It could not be fetched: {error.Message}");
    }

    /// <summary>
    /// Finds out whether the builder that an error names is lost, and settles the event with the answer. A single connection may break, or
    /// a new one be refused, while the builder is well otherwise: then it is asked.
    /// </summary>
    private void Judge(RunEvent cause, Exception error, Attempt attempt)
    {
        if (facts.SuspectOf(error, attempt.On) is not { } suspect || error is not Errors.BuilderException e)
        {
            Settle(cause, SuspectState.None);
        }
        else if (e.Failure is Errors.BuilderFailure.ConnectionLost or Errors.BuilderFailure.Unreachable)
        {
            facts.Do(new RunAction.Probe(suspect, e, cause));
        }
        else if (!membership.Lose(suspect, e, cause))
        {
            Settle(cause, SuspectState.Lost);
        }
    }

    private void OnAnswered(RunEvent.BuilderAnswered answered)
    {
        if (answered.Answers) Settle(answered.Cause, SuspectState.Answers);
        else if (!membership.Lose(answered.On, answered.Error, answered.Cause)) Settle(answered.Cause, SuspectState.Lost);
    }

    private void OnDisconnected(RunEvent.Disconnected disconnected)
    {
        membership.OnDisconnected(disconnected);
        if (disconnected.Cause is { } cause) Settle(cause, SuspectState.Lost);
    }

    private void OnSourceDropped(RunEvent.SourceDropped dropped)
    {
        foreach (var path in dropped.Paths) rebuilds.BuildAgain(path, dropped.Reason);
    }

    private void Settle(RunEvent cause, SuspectState suspect)
    {
        switch (cause)
        {
            case RunEvent.AttemptFailed e when attempts.TryEnd(e.Attempt): failures.OnAttemptFailed(e, suspect); break;
            case RunEvent.CopyBackFailed e:
                copyBacks.Fail(e, suspect);
                expansions.BeginAfter(e.Copy.Attempt.Job);
                break;
        }
    }
}
