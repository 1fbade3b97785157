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
    private readonly Pushes pushes;
    private readonly Membership membership;
    private readonly Verdicts verdicts;
    private readonly BuilderTroubles troubles;
    private readonly PendingBuilders pending;
    private readonly FailureRules failures;
    private readonly Learning learning;
    private readonly Sampling sampling;
    private readonly Admission admission;
    private readonly Requests requests;
    private readonly Expansions expansions;
    private readonly HashSet<(string Package, int Builder, PlacementReason Reason)> toldOfRoom = [];
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
        pushes = new(facts, copyBacks);
        membership = new(facts, attempts, rebuilds, copyBacks, troubles, pending);
        verdicts = new(facts, membership, Settle);
        failures = new(facts, attempts, admission, rebuilds, membership);
        learning = new(facts);
        requests = new(facts, attempts, rebuilds, copyBacks, pushes);
        expansions = new(facts, copyBacks, requests);
    }

    /// <summary>Whether every job has ended, and every output is where it should be.</summary>
    public bool IsOver => IsSettled && pushes.Pending == 0;

    private bool IsSettled => facts.Scheduler.Remaining + copyBacks.Pending == 0;

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
            case RunEvent.SlotStillAwaited e: neighbours.OnSlotStillAwaited(e); break;
            case RunEvent.SlotFree e: neighbours.OnSlotFree(e); break;
            case RunEvent.BuildBegan e: attempts.Begin(e); break;
            case RunEvent.PhaseEntered e when attempts.Counts(e.Attempt): learning.FromPhase(e.Attempt, e.Phase); break;
            case RunEvent.BuildEnded e: OnBuildEnded(e.Attempt, e.Outcome); break;
            case RunEvent.AttemptFailed e when attempts.Counts(e.Attempt): verdicts.Judge(e, e.Error, e.Attempt); break;
            case RunEvent.AttemptFailed or RunEvent.PhaseEntered: break;
            case RunEvent.InputsArrived e: facts.Apply(new SchedulingEvent.InputsArrived(facts.Now, e.Job.Index, e.Builder)); break;
            case RunEvent.Fetched e: OnFetched(e.Job, e.Begun); break;
            case RunEvent.FetchFailed e: OnFetchFailed(e.Job, e.Error); break;
            case RunEvent.CameHome e: OnCameHome(e); break;
            case RunEvent.CopyBackFailed e: verdicts.Judge(e, e.Error, e.Copy.Attempt); break;
            case RunEvent.Pushed e: pushes.End(e); break;
            case RunEvent.PushFailed e: pushes.OnFailed(e); break;
            case RunEvent.BuilderConnected e: membership.OnConnected(e); admission.Begin(e.On); break;
            case RunEvent.ConnectFailed e: membership.OnConnectFailed(e); break;
            case RunEvent.BuilderSilent e: membership.OnSilent(e); break;
            case RunEvent.BuilderAnswered e: verdicts.OnAnswered(e); break;
            case RunEvent.Disconnected e: verdicts.OnDisconnected(e); break;
            case RunEvent.SourceDropped e: rebuilds.OnSourceDropped(e); break;
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
        if (IsSettled) pushes.GiveUpAwaited();
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
        facts.Reporter.Progress(attempts.Running, pushes.Pending, () => Forecast.Of(scheduler, attempts.Running, facts.UtcNow));
    }

    /// <summary>The run has stopped: decides on what the last events brought, and ends every job that has not ended.</summary>
    /// <param name="now">The time: seconds since the run began.</param>
    public void End(double now)
    {
        facts.Stop();
        Decide(now);
        pushes.EndAll();
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
        foreach (var builder in facts.Farm) admission.Begin(builder);
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
                TellOfRoom(d);
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

    /// <summary>What is too large for all builders goes to one all the same. Once for each package and builder.</summary>
    private void TellOfRoom(SchedulingDecision.Start start)
    {
        var isMemory = start.Reason == PlacementReason.MostMemory;
        if (!isMemory && start.Reason != PlacementReason.MostSpace) return;
        if (!toldOfRoom.Add((PackagePriors.KeyOf(facts.Scheduler.Graph[start.Job]), start.Builder, start.Reason))) return;
        var (scheduler, name, on) = (facts.Scheduler, facts.Jobs[start.Job].Name, facts.Farm[start.Builder]);
        var bytes = isMemory ? scheduler.MemoryNeedOf(start.Job, start.Builder) : scheduler.SpaceNeedOf(start.Job, start.Builder);
        var what = FormattableString.Invariant($"{bytes / 1e9:0.#} GB of {(isMemory ? "memory" : "disk space with its inputs")}");
        facts.Reporter.Degraded($"{name} may need {what}, more than any builder has that may take it and takes builds now. "
            + $"{on} has most{(isMemory ? ", and builds nothing beside it" : "")}.");
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
        if (!attempts.TryEnd(attempt, outcome.Result.IsSuccess)) return;
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
        // Whether outputs have to come here for it is known then.
        pushes.Begin(attempt, outcome, hasJustEnded: true);
        copyBacks.Begin(attempt, outcome);
        expansions.BeginAfter(job);
    }

    private void OnCameHome(RunEvent.CameHome came)
    {
        copyBacks.End(came);
        pushes.OnHome(came.Copy.Attempt.Job);
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

    private void Settle(RunEvent cause, SuspectState suspect)
    {
        switch (cause)
        {
            case RunEvent.AttemptFailed e when attempts.TryEnd(e.Attempt, hasSucceeded: false): failures.OnAttemptFailed(e, suspect); break;
            case RunEvent.CopyBackFailed e:
                copyBacks.Fail(e, suspect);
                pushes.OnCopyFailed(e.Copy.Attempt.Job);
                expansions.BeginAfter(e.Copy.Attempt.Job);
                break;
        }
    }
}
