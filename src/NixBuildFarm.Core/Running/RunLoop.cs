using System.Threading.Channels;
using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Errors;
using NixBuildFarm.FollowUp;
using NixBuildFarm.History;
using NixBuildFarm.Platform;
using NixBuildFarm.Protocol;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Sessions;
using NixBuildFarm.Store;
using NixBuildFarm.Supplying;

namespace NixBuildFarm.Running;

/// <summary>
/// The heart of a run. One loop owns all of its state; what goes on beside it (builds, supplies, copies) tells it by
/// messages. It tells the scheduler what has happened, and does what the scheduler decides.
/// </summary>
internal sealed partial class RunLoop : IDisposable
{
    private const int SubstitutionsAtATime = 16;
    private const int CopiesHomeAtATime = 4;

    private readonly BuildRequest request;
    private readonly IReadOnlyList<RunJob> jobs;
    private readonly BuilderSession local;
    private readonly RunEstimates estimates;
    private readonly RunHistory history;
    private readonly Supply supply;
    private readonly PathCatalog catalog;
    private readonly BuildExecutor executor;
    private readonly FarmConnector connector;
    private readonly RunReporter reporter;
    private readonly RunClock clock;
    private readonly Scheduler scheduler;
    private readonly List<BuilderSession> farm;
    private readonly Channel<Action> messages = Channel.CreateUnbounded<Action>(new() { SingleReader = true });
    private readonly HashSet<Task> tasks = [];
    private readonly HashSet<Attempt> running = [];
    private readonly SemaphoreSlim substitutionTurn = new(SubstitutionsAtATime);
    private readonly SemaphoreSlim copyTurn = new(CopiesHomeAtATime);
    private readonly Homecoming<BuilderSession> requestedOutputs;
    private readonly Homecoming<BuilderSession> otherOutputs;
    private readonly CancellationTokenSource stop;

    private int copiesToCome;
    private bool hasToldOfLogs;
    private BuilderException? end;

    public RunLoop(
        BuildRequest request,
        RunJobs jobs,
        BuilderSession local,
        IReadOnlyList<BuilderSession> farm,
        RunEstimates estimates,
        RunHistory history,
        Supply supply,
        PathCatalog catalog,
        BuildExecutor executor,
        FarmConnector connector,
        RunReporter reporter,
        RunClock clock,
        IEnumerable<BuilderTrouble> troubles,
        CancellationToken cancellation)
    {
        this.request = request;
        this.jobs = jobs.Jobs;
        this.local = local;
        this.farm = [.. farm];
        this.estimates = estimates;
        this.history = history;
        this.supply = supply;
        this.catalog = catalog;
        this.executor = executor;
        this.connector = connector;
        this.reporter = reporter;
        this.clock = clock;
        breakers = troubles.ToDictionary(trouble => trouble.Builder, trouble => new CircuitBreaker(trouble.Openings));
        scheduler = new(jobs.Graph, [.. farm.Select(Describe)], estimates.Current, request.Scheduling);
        stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        // What was asked for does not queue behind what was not.
        requestedOutputs = new(paths => BringAsync(paths, TransferPurpose.Needed), atATime: 2);
        otherOutputs = new(CopyBackAsync, atATime: 1);
    }

    /// <summary>What runs here after each build; null: nothing does.</summary>
    public PostBuildHook? Hook { get; init; }

    /// <summary>The builders as the scheduler knows them.</summary>
    public IReadOnlyList<FarmBuilder> Farm => scheduler.Builders;

    /// <summary>A transfer has shown what a link carries.</summary>
    public void Learn(TransferObservation transfer) => Post(() =>
    {
        var builder = farm.FindIndex(session => session.Builder.Name == transfer.Builder);
        if (builder < 0 || scheduler.StatusOf(builder) != BuilderStatus.Online) return;
        var before = scheduler.DescriptionOf(builder);
        var now = history.WithBandwidth(before);
        if (Differs(before.DownloadBandwidth, now.DownloadBandwidth) || Differs(before.UploadBandwidth, now.UploadBandwidth))
        {
            scheduler.Apply(new SchedulingEvent.BuilderChanged(clock.Now, builder, now));
        }

        // Smaller changes are not worth a new plan.
        static bool Differs(double a, double b) => !a.Equals(b) && !(Math.Abs(a - b) < 0.25 * Math.Max(a, b));
    });

    /// <inheritdoc/>
    public void Dispose()
    {
        substitutionTurn.Dispose();
        copyTurn.Dispose();
        stop.Dispose();
    }

    /// <summary>Runs until every job has ended and every output is where it should be.</summary>
    /// <exception cref="OperationCanceledException">The run was stopped from outside.</exception>
    /// <exception cref="BuilderException">The local store was lost; what became of each job has been told all the same.</exception>
    public async Task RunAsync(CancellationToken cancellation)
    {
        try
        {
            foreach (var job in jobs.Where(job => job.IsSubstitution)) RunBeside(() => SubstituteAsync(job));
            foreach (var job in jobs) NoteReady(job.Index);
            foreach (var session in farm.Append(local).Distinct()) Attend(session);
            Decide();
            while (scheduler.Remaining + copiesToCome > 0 && !stop.IsCancellationRequested)
            {
                await NextMessageAsync(stop.Token);
                while (messages.Reader.TryRead(out var message)) message();
                Decide();
            }
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            // Stopped by a failure: what is left is told below.
        }
        finally
        {
            await stop.CancelAsync();
            await Task.WhenAny(Task.WhenAll(tasks));
        }
        cancellation.ThrowIfCancellationRequested();
        Decide();
        foreach (var job in jobs.Where(job => !job.HasEnded)) reporter.End(job, NixBuildStatus.Cancelled, error: "The run was stopped before it could be built.");
        if (end is not null) throw end;
    }

    private async Task NextMessageAsync(CancellationToken cancellation)
    {
        if (scheduler.NextWakeup is not { } wakeup)
        {
            await messages.Reader.WaitToReadAsync(cancellation);
            return;
        }
        using var alarm = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var message = messages.Reader.WaitToReadAsync(alarm.Token).AsTask();
        await Task.WhenAny(message, clock.DelayUntilAsync(wakeup, alarm.Token));
        await alarm.CancelAsync();
        cancellation.ThrowIfCancellationRequested();
    }

    private void Decide()
    {
        foreach (var decision in scheduler.Decide(clock.Now))
        {
            // A run that stops starts nothing more, but still says what became of what.
            if (stop.IsCancellationRequested && decision is not SchedulingDecision.Abandon) continue;
            switch (decision)
            {
                case SchedulingDecision.Start d: Start(jobs[d.Job], d.Builder, d.Cores, $"{d.Reason.InWords()}, in about {Math.Max(0, d.Finish - clock.Now):0.0} s"); break;
                case SchedulingDecision.Hedge d: Start(jobs[d.Job], d.Builder, d.Cores, "a second try, since the first is late"); break;
                case SchedulingDecision.Prefetch d: Prepare(jobs[d.Job], d.Builder); break;
                case SchedulingDecision.Cancel d: GiveWay(jobs[d.Job], d.Builder); break;
                case SchedulingDecision.Abandon d: Abandon(jobs[d.Job], jobs[d.Cause]); break;
                case SchedulingDecision.NoBuilder d: GiveUpWithoutBuilder(jobs[d.Job]); break;
                default: throw new InvalidOperationException($"The scheduler decided {decision}, which the run does not know.");
            }
        }
        reporter.Progress(running, () => Forecast.Of(scheduler, running, clock.UtcNow));
    }

    private void Start(RunJob job, int builder, int cores, string reason)
    {
        var session = farm[builder];
        reporter.Decided($"{job.Name} → {session}: {reason}");
        var allowed = request.CoresFor(session.Builder, cores);
        var counted = allowed > 0 ? allowed : cores;
        var attempt = new Attempt(job, session, allowed, clock.UtcNow, stop.Token)
        {
            CountedCores = counted,
            Urgency = new(TransferPurpose.Needed, scheduler.RankOf(job.Index)),
            ExpectedSeconds = scheduler.EstimateOf(job.Index).Seconds / scheduler.SpeedOf(builder, job.Index) * Estimate.CoreFactor(job.Derivation.EnableParallelBuilding, counted),
        };
        job.Running.Add(builder, attempt);
        running.Add(attempt);
        RunBeside(() => BuildAsync(attempt, builder));
    }

    private async Task BuildAsync(Attempt attempt, int builder)
    {
        try
        {
            var outcome = await executor.CarryOutAsync(
                attempt,
                begun: () => Post(() => Begin(attempt, builder)),
                said: message => Hear(attempt, message));
            Post(() => End(attempt, builder, outcome));
        }
        catch (Exception e) when (e is NixBuildFarmException or IOException)
        {
            Post(() => Fail(attempt, builder, e));
        }
        finally
        {
            Post(attempt.Dispose);
        }
    }

    private void Begin(Attempt attempt, int builder)
    {
        if (!Counts(attempt, builder)) return;
        attempt.BuildBegun = clock.UtcNow;
        attempt.Phase = "building";
        scheduler.Apply(new SchedulingEvent.JobStarted(clock.Now, attempt.Job.Index, builder));
    }

    private void Hear(Attempt attempt, DaemonMessage message)
    {
        switch (message)
        {
            case BuildPhaseEntered phase: attempt.Phase = phase.Phase; break;
            case BuildLogLine { IsContinued: false } line: reporter.Printed(attempt, line.IsUnfinished ? line.Line + '…' : line.Line); break;
        }
    }

    private void End(Attempt attempt, int builder, BuildOutcome outcome)
    {
        if (!Counts(attempt, builder) || !Close(attempt, builder)) return;
        var job = attempt.Job;
        TellOfLogs(attempt);
        if (!outcome.Result.IsSuccess)
        {
            EndFailed(attempt, builder, outcome);
            return;
        }
        NoteWell(attempt.Session.Builder);
        if (job.Goal is not null) job.Realised = outcome.Outputs;
        var outputs = job.Outputs;
        attempt.Outcome = outcome;
        attempt.OutputBytes = outputs.Sum(path => catalog.Find(path)?.NarSize ?? 0);
        job.Last = attempt;
        var finished = new SchedulingEvent.JobFinished(clock.Now, job.Index, builder, attempt.OutputBytes);
        scheduler.Apply(finished);
        if (outcome.Result.Status == BuildStatus.Built) Learn(attempt, finished);
        NoteDone(job);
        BringHome(attempt, builder, outcome);
    }

    /// <summary>What was built comes home, if it is to; what was asked for has ended then.</summary>
    private void BringHome(Attempt attempt, int builder, BuildOutcome outcome)
    {
        var job = attempt.Job;
        var status = outcome.Result.Status switch
        {
            BuildStatus.Built => NixBuildStatus.Built,
            BuildStatus.Substituted => NixBuildStatus.Substituted,
            _ => NixBuildStatus.AlreadyValid,
        };
        var wanted = request.CopyBackOf(attempt.Session.Builder);
        var comesHome = !attempt.Session.Builder.IsLocal && (wanted == CopyBack.All || (wanted == CopyBack.Requested && job.IsRequested));
        if (!comesHome)
        {
            reporter.End(job, status, attempt, outcome);
            return;
        }
        // What was asked for has ended when it is here; the rest has when it is built.
        if (!job.IsRequested) reporter.End(job, status, attempt, outcome);
        copiesToCome++;
        RunBeside(() => BringHomeAsync(attempt, builder, job.Outputs, status, outcome));
    }

    /// <summary>A build has shown what it takes: that may change what is believed of others, in this run and in later ones.</summary>
    private void Learn(Attempt attempt, SchedulingEvent.JobFinished finished)
    {
        var job = scheduler.Graph[finished.Job];
        // The name of a download says nothing of its size.
        if (job.IsFixedOutput || job.IsBuiltin || attempt is not { BuildBegun: { } begun, BuildEnded: { } ended }) return;
        var seconds = Math.Max(0.001, (ended - begun).TotalSeconds);
        history.Note(new BuildObservation
        {
            Package = PackagePriors.KeyOf(job),
            System = job.System,
            Builder = attempt.Session.Builder.Name,
            Seconds = seconds,
            Cores = attempt.CountedCores,
            EnableParallelBuilding = job.EnableParallelBuilding,
            SpeedFactor = attempt.Session.Builder.SpeedFactor,
            OutputBytes = finished.OutputBytes,
            At = ended,
        });
        foreach (var learnt in estimates.Learn(finished, scheduler.DescriptionOf(finished.Builder), seconds, attempt.CountedCores)) scheduler.Apply(learnt);
    }

    private void EndFailed(Attempt attempt, int builder, BuildOutcome outcome)
    {
        if (Recovery.WasKilled(outcome.Result) && !attempt.Job.WasKilled)
        {
            TryWithMoreMemory(attempt, builder);
            return;
        }
        var kind = Recovery.KindOf(outcome.Result);
        if (kind != FailureKind.Permanent)
        {
            Retry(attempt, builder, kind, outcome.Result.ErrorMessage);
            return;
        }
        var killing = Recovery.WasKilled(outcome.Result) ? KillingOf(attempt) : null;
        reporter.End(attempt.Job, outcome.Result.Status == BuildStatus.TimedOut ? NixBuildStatus.TimedOut : NixBuildStatus.Failed, attempt, outcome, killing);
        scheduler.Apply(new SchedulingEvent.JobFailed(clock.Now, attempt.Job.Index, builder, FailureKind.Permanent));
        if (!request.KeepGoing) stop.Cancel();
    }

    /// <summary>Once more, on a machine that has more memory, or does not tell how much it has.</summary>
    private void TryWithMoreMemory(Attempt attempt, int builder)
    {
        var job = attempt.Job;
        job.WasKilled = true;
        var memory = attempt.Session.Facts.Machine.Memory;
        NoteFailure(attempt, KillingOf(attempt));
        scheduler.Apply(new SchedulingEvent.JobFailed(clock.Now, job.Index, builder, FailureKind.RetryElsewhere));
        for (var other = 0; other < farm.Count; other++)
        {
            if (other != builder && !job.Running.ContainsKey(other) && farm[other].Facts.Machine.Memory <= memory) scheduler.Apply(new SchedulingEvent.JobExcluded(clock.Now, job.Index, other));
        }
    }

    private static string KillingOf(Attempt attempt) => Recovery.Killing(attempt.Session.Builder.Name, attempt.Session.Facts.Machine.Memory);

    private void Fail(Attempt attempt, int builder, Exception error)
    {
        if (!Counts(attempt, builder)) return;
        if (SuspectOf(error, attempt.Session) is { } suspect) Examine(suspect, (BuilderException)error, isLost => FailAfter(attempt, builder, error, isLost));
        else FailAfter(attempt, builder, error, isLost: false);
    }

    private void FailAfter(Attempt attempt, int builder, Exception error, bool isLost)
    {
        if (!Counts(attempt, builder) || !Close(attempt, builder)) return;
        // It may be tried here again when this builder is not the one to blame.
        var isOthersFault = isLost || error is PathLostException or DamagedPathException or BuilderException { Failure: BuilderFailure.ConnectionLost };
        if (error is UnsignedPathException) TryElsewhere(attempt, builder, error.Message);
        else Retry(attempt, builder, isOthersFault ? FailureKind.Retry : FailureKind.RetryElsewhere, InWords(error));
        if (UselessPathOf(error) is { } path) BuildAgain(path, InWords(error));
        else if (!isLost && attempt.Job.Tries > 1 && SuspectOf(error, attempt.Session) is { } giver && giver != attempt.Session) Disown(giver, attempt.Job, error.Message);
    }

    /// <summary>A builder that does not take an input has not been tried.</summary>
    private void TryElsewhere(Attempt attempt, int builder, string reason)
    {
        Note(attempt, reason);
        scheduler.Apply(new SchedulingEvent.JobFailed(clock.Now, attempt.Job.Index, builder, FailureKind.RetryElsewhere));
    }

    private void Retry(Attempt attempt, int builder, FailureKind kind, string reason)
    {
        var job = attempt.Job;
        NoteFailure(attempt, reason);
        // Another try of it may still run.
        scheduler.Apply(new SchedulingEvent.JobFailed(clock.Now, job.Index, builder, kind));
        if (kind == FailureKind.RetryElsewhere) Distrust(attempt.Session, reason);
        if (job.Tries < request.MaxAttempts) reporter.Degraded($"{job.Name} failed on {attempt.Session}, and is tried again: {reason}");
        else if (job.Running.Count == 0) GiveUpAfterTries(attempt);
    }

    private void GiveUpAfterTries(Attempt last)
    {
        var job = last.Job;
        scheduler.Apply(new SchedulingEvent.JobResolved(clock.Now, job.Index, ExternalOutcome.Cancelled));
        reporter.End(job, NixBuildStatus.Failed, last, error: $"Given up after {job.Tries} tries: {string.Join("; ", job.Attempts)}");
        if (!request.KeepGoing) stop.Cancel();
    }

    private void NoteFailure(Attempt attempt, string reason)
    {
        attempt.Job.Tries++;
        Note(attempt, reason);
    }

    private void Note(Attempt attempt, string reason) => attempt.Job.Attempts.Add(new()
    {
        Builder = attempt.Session.Builder.Name,
        Started = attempt.Begun,
        Duration = clock.UtcNow - attempt.Begun,
        Reason = reason,
    });

    /// <summary>A build does not fail for want of a log; once is enough to tell.</summary>
    private void TellOfLogs(Attempt attempt)
    {
        if (attempt.LogProblem is not { } problem || hasToldOfLogs) return;
        hasToldOfLogs = true;
        reporter.Degraded($"Logs cannot be kept, that of {attempt.Job.Name} for one: {problem} The builds go on without.");
    }

    private Attempt? CallOff(RunJob job, int builder)
    {
        if (!job.Running.TryGetValue(builder, out var attempt)) return null;
        Close(attempt, builder);
        attempt.Cancel();
        return attempt;
    }

    /// <summary>Another builder has ended the job before this one.</summary>
    private void GiveWay(RunJob job, int builder)
    {
        if (CallOff(job, builder) is { } attempt) Note(attempt, NixBuildAttempt.GaveWayReason);
    }

    private void Abandon(RunJob job, RunJob cause) =>
        reporter.End(job, NixBuildStatus.DependencyFailed, error: $"It needs {cause.Name}, which was not built.");

    private void GiveUpWithoutBuilder(RunJob job)
    {
        // A substitution waits for its substituter; and a builder that still connects may take the job.
        if (job.IsSubstitution) return;
        if (buildersToCome > 0)
        {
            withoutBuilder.Add(job);
            TryThoseLeftAlone();
            return;
        }
        var why = WhyNobody(job);
        scheduler.Apply(new SchedulingEvent.JobResolved(clock.Now, job.Index, ExternalOutcome.Cancelled));
        reporter.End(
            job,
            job.Attempts.Count > 0 ? NixBuildStatus.Failed : NixBuildStatus.NoEligibleBuilder,
            error: job.Attempts.Count > 0 ? $"No builder is left for it: {string.Join("; ", job.Attempts)}" : $"No builder of this run may build it. {why}");
        if (!request.KeepGoing) stop.Cancel();
    }

    private void Prepare(RunJob job, int builder)
    {
        var urgency = new Urgency(TransferPurpose.Prefetch, scheduler.RankOf(job.Index));
        RunBeside(() => PrepareAsync(job, builder, urgency));
    }

    private async Task PrepareAsync(RunJob job, int builder, Urgency urgency)
    {
        try
        {
            await supply.EnsureAsync(farm[builder], job.Inputs, urgency, stop.Token);
            Post(() => scheduler.Apply(new SchedulingEvent.InputsArrived(clock.Now, job.Index, builder)));
        }
        catch (Exception e) when (e is NixBuildFarmException or IOException)
        {
            // The build itself will meet the same trouble, and report it.
            reporter.Decided($"The inputs of {job.Name} could not be sent ahead to {farm[builder]}: {e.Message}");
        }
    }

    private async Task SubstituteAsync(RunJob job)
    {
        var begun = clock.UtcNow;
        await substitutionTurn.WaitAsync(stop.Token);
        try
        {
            await local.UseAsync(
                Transport.ChannelUse.Build,
                async daemon =>
                {
                    await daemon.SetOptionsAsync(local.Options, stop.Token);
                    foreach (var path in job.Wanted) await daemon.EnsurePathAsync(path, stop.Token);
                    return true;
                },
                stop.Token);
            await supply.Closures.DiscoverAsync(local, job.Wanted, stop.Token);
            Post(() =>
            {
                scheduler.Apply(new SchedulingEvent.JobResolved(clock.Now, job.Index, ExternalOutcome.Available));
                NoteDone(job);
                reporter.EndSubstituted(job, begun);
            });
        }
        catch (NixBuildFarmException e)
        {
            Post(() =>
            {
                scheduler.Apply(new SchedulingEvent.JobResolved(clock.Now, job.Index, ExternalOutcome.Cancelled));
                reporter.End(job, NixBuildStatus.Failed, error: $"It could not be fetched: {e.Message}");
                if (!request.KeepGoing) stop.Cancel();
            });
        }
        finally
        {
            substitutionTurn.Release();
        }
    }

    private async Task BringHomeAsync(Attempt attempt, int builder, IReadOnlyList<StorePath> outputs, NixBuildStatus status, BuildOutcome outcome)
    {
        var job = attempt.Job;
        Exception? trouble = null;
        DateTimeOffset? begun = null, ended = null;
        try
        {
            begun = await (job.IsRequested ? requestedOutputs : otherOutputs).BringAsync(attempt.Session, outputs);
            ended = clock.UtcNow;
            if (job.Goal is { } goal) await RegisterAsync(goal.RealisationsOf(outcome.Outputs));
            if (Hook is not null && status == NixBuildStatus.Built) await Hook.RunAsync(job.Path, outputs, stop.Token);
        }
        catch (Exception e) when (e is NixBuildFarmException or IOException or KeyNotFoundException)
        {
            trouble = e;
        }
        Post(() =>
        {
            (attempt.HomeBegun, attempt.HomeEnded) = (begun, ended);
            EndHomecoming(attempt, builder, outputs, status, outcome, trouble);
        });
    }

    private async Task<DateTimeOffset> BringAsync(IReadOnlyCollection<StorePath> paths, TransferPurpose purpose)
    {
        var begun = clock.UtcNow;
        await supply.EnsureAsync(local, paths, new(purpose), stop.Token);
        return begun;
    }

    private async Task<DateTimeOffset> CopyBackAsync(IReadOnlyCollection<StorePath> paths)
    {
        await copyTurn.WaitAsync(stop.Token);
        try
        {
            return await BringAsync(paths, TransferPurpose.CopyBack);
        }
        finally
        {
            copyTurn.Release();
        }
    }

    private void EndHomecoming(Attempt attempt, int builder, IReadOnlyList<StorePath> outputs, NixBuildStatus status, BuildOutcome outcome, Exception? trouble)
    {
        var job = attempt.Job;
        if (trouble is null)
        {
            copiesToCome--;
            if (farm.IndexOf(local) is >= 0 and var home && scheduler.StateOf(job.Index) == JobState.Done) scheduler.Apply(new SchedulingEvent.OutputsArrived(clock.Now, job.Index, home));
            if (job.IsRequested) reporter.End(job, status, attempt, outcome);
        }
        else if (SuspectOf(trouble, attempt.Session) is { } suspect)
        {
            Examine(suspect, (BuilderException)trouble, isLost =>
            {
                if (isLost) LoseOnTheWayHome(attempt, builder, outcome, trouble);
                else if (++attempt.Homecomings >= request.MaxAttempts) BuildElsewhere(attempt, builder, outcome, trouble);
                else RunBeside(() => BringHomeAsync(attempt, builder, outputs, status, outcome));
            });
        }
        else if (UselessPathOf(trouble) is not null)
        {
            BuildElsewhere(attempt, builder, outcome, trouble);
        }
        else
        {
            GiveUpHomecoming(attempt, builder, outcome, trouble);
        }
    }

    private void GiveUpHomecoming(Attempt attempt, int builder, BuildOutcome outcome, Exception trouble)
    {
        var job = attempt.Job;
        copiesToCome--;
        // Where the builder was lost, what was asked for is being built again.
        if (job.IsRequested && scheduler.StateOf(job.Index) == JobState.Done)
        {
            reporter.End(job, NixBuildStatus.Failed, attempt, outcome, $"It was built on {attempt.Session}, but could not be brought home: {trouble.Message}");
            if (!request.KeepGoing) stop.Cancel();
        }
        else if (!job.IsRequested)
        {
            reporter.Degraded($"{job.Name} was built on {attempt.Session}, and could not be brought home: {trouble.Message}");
        }
    }

    /// <summary>Else the local store would have the outputs, and not know that they are those of the derivation.</summary>
    private async Task RegisterAsync(IReadOnlyList<Realisation> realisations)
    {
        if (realisations.Count > 0) await local.AskAsync((daemon, token) => daemon.RegisterRealisationsAsync(realisations, token), stop.Token);
    }

    /// <summary>A job is done: notes for what waits for it whether it could be built from now on.</summary>
    private void NoteDone(RunJob job)
    {
        foreach (var dependent in scheduler.Graph.DependentsOf(job.Index)) NoteReady(dependent);
    }

    private void NoteReady(int job)
    {
        if (scheduler.StateOf(job) == JobState.Ready) jobs[job].Ready ??= clock.UtcNow;
    }

    /// <summary>Takes an attempt off the list; false when it was taken off before, because it was called off.</summary>
    private bool Close(Attempt attempt, int builder)
    {
        if (!IsCurrent(attempt, builder)) return false;
        attempt.Job.Running.Remove(builder);
        running.Remove(attempt);
        return true;
    }

    /// <summary>Whether what an attempt has come to matters: another one may have ended the job, and this one not been called off yet.</summary>
    private bool Counts(Attempt attempt, int builder) => IsCurrent(attempt, builder) && scheduler.Runs(attempt.Job.Index, builder);

    private static bool IsCurrent(Attempt attempt, int builder) => attempt.Job.Running.TryGetValue(builder, out var current) && current == attempt;

    private void Post(Action message) => messages.Writer.TryWrite(message);

    /// <summary>Runs something beside the loop; what goes wrong in it unforeseen ends the run.</summary>
    private void RunBeside(Func<Task> work)
    {
        var task = Task.Run(async () =>
        {
            try
            {
                await work();
            }
            catch (OperationCanceledException)
            {
                // Called off; whoever did that knows.
            }
            catch (Exception e)
            {
                Post(() => throw new InvalidOperationException($"Something that NixBuildFarm did not foresee: {e.Message}", e));
            }
        });
        lock (tasks) tasks.Add(task);
        _ = task.ContinueWith(
            done =>
            {
                lock (tasks) tasks.Remove(done);
            },
            TaskScheduler.Default);
    }
}
