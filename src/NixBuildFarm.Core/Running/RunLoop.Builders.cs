using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Sessions;

namespace NixBuildFarm.Running;

// Who takes part: builders that join late, are lost, come back, or are left alone for a while.
internal sealed partial class RunLoop
{
    /// <summary>How often a builder is asked whether its daemon lives: a connection says nothing of that.</summary>
    private static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(10);

    private readonly Dictionary<string, CircuitBreaker> breakers;
    private readonly Dictionary<string, string> troubleOf = [];
    private readonly TaskCompletionSource needed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly HashSet<RunJob> withoutBuilder = [];
    private int buildersToCome;
    private int connecting;

    /// <summary>Announces a builder that still connects: until it joins or fails, no job is given up for want of a builder.</summary>
    public void Expect(Task<Connected> connection)
    {
        connecting++;
        Expect(connection, () => connecting--);
    }

    private void Expect(Task<Connected> connection, Action came)
    {
        buildersToCome++;
        RunBeside(async () =>
        {
            var (builder, session, error) = await connection.WaitAsync(stop.Token);
            Post(() =>
            {
                came();
                if (session is not null) Join(session);
                else MissBuilder(builder, error!);
                BuilderCame();
            });
        });
    }

    /// <summary>
    /// Leaves a builder alone that made trouble in an earlier run, until its time has come, or there is a job that nobody else may build. Then it
    /// is tried again.
    /// </summary>
    public void LeaveAlone(NixBuilder builder, BuilderTrouble trouble)
    {
        var pause = trouble.PauseAt(clock.UtcNow);
        reporter.Degraded($"{builder.Name} made trouble in an earlier run, and is left alone for another {Math.Ceiling(pause.TotalSeconds)} s, unless nobody else may build something: {trouble.Reason}");
        Expect(ConnectAfterAsync(), came: static () => { });

        async Task<Connected> ConnectAfterAsync()
        {
            await Task.WhenAny(clock.DelayAsync(pause, stop.Token), needed.Task);
            stop.Token.ThrowIfCancellationRequested();
            return await connector.TryConnectAsync(builder, stop.Token);
        }
    }

    /// <summary>Tells of a builder that could not be reached: it may still come, but nothing waits for it.</summary>
    public void MissBuilder(NixBuilder builder, NixBuildFarmException error)
    {
        TellOfFailure(builder, error);
        if (!CanPass(error)) return;
        var breaker = BreakerOf(builder);
        while (breaker.HasHope) breaker.Open();
        Remember(builder, error.Message);
        AwaitReturn(builder);
    }

    private void TellOfFailure(NixBuilder builder, NixBuildFarmException error)
    {
        troubleOf[builder.Name] = error.Message;
        reporter.BuilderFailed(builder, error);
    }

    /// <summary>Why no builder takes a job, those among them that are not there.</summary>
    private string WhyNobody(RunJob job)
    {
        var here = scheduler.Builders;
        var absent = estimates.Farm.Where(builder => here.All(other => other.Name != builder.Name)).ToArray();
        var reasons = scheduler.WhyNot(job.Index).Zip(here, (why, builder) => IsLost(builder) ? TroubleWith(builder) ?? why : why);
        return ReasonText.Refusals(
            [.. reasons, .. absent.Select(builder => Eligibility.Of(scheduler.Graph[job.Index], builder).Problem ?? TroubleWith(builder) ?? "it has not answered")],
            [.. here, .. absent]);

        bool IsLost(FarmBuilder builder) => farm.FindIndex(session => session.Builder.Name == builder.Name) is >= 0 and var index && scheduler.StatusOf(index) == BuilderStatus.Lost;
        string? TroubleWith(FarmBuilder builder) => troubleOf.GetValueOrDefault(builder.Name)?.TrimEnd('.');
    }

    /// <summary>Asks a builder now and then whether its daemon lives, as long as the run and the session last.</summary>
    private void Attend(BuilderSession session) => RunBeside(async () =>
    {
        try
        {
            while (true)
            {
                await clock.DelayAsync(Heartbeat, stop.Token);
                await session.PingAsync(stop.Token);
            }
        }
        catch (BuilderException e)
        {
            Post(() =>
            {
                if (session == local || farm.Contains(session)) Lose(session, e);
            });
        }
    });

    /// <summary>Finds the builder that an error is about, if it is about one of the farm; it need not be the one that builds: inputs come from others.</summary>
    private BuilderSession? SuspectOf(Exception error, BuilderSession here) => error is not BuilderException e ? null
        : e.Builder == here.Builder.Name ? here
        : e.Builder == local.Builder.Name ? local
        : farm.Find(session => session.Builder.Name == e.Builder);

    /// <summary>
    /// A single connection may break, or a new one be refused, while the builder is well otherwise: that costs what went over the connection.
    /// Else the builder is lost.
    /// </summary>
    /// <param name="suspect">The builder.</param>
    /// <param name="error">What was met.</param>
    /// <param name="then">Called in the loop with whether it is lost.</param>
    private void Examine(BuilderSession suspect, BuilderException error, Action<bool> then)
    {
        if (error.Failure is not (BuilderFailure.ConnectionLost or BuilderFailure.Unreachable))
        {
            Lose(suspect, error);
            then(true);
            return;
        }
        RunBeside(async () =>
        {
            var answers = await suspect.AnswersAsync(stop.Token);
            Post(() =>
            {
                if (!answers) Lose(suspect, error);
                then(!answers);
            });
        });
    }

    /// <summary>A builder is gone: its builds go elsewhere, and what only it had is built again where it is still needed.</summary>
    private void Lose(BuilderSession session, BuilderException error)
    {
        if (session == local)
        {
            end ??= new BuilderException(
                error.Builder, error.Failure, $"The local store cannot be used any more, and without it there is no going on: {error.Message}", "See that the Nix daemon runs, then start the run again: it goes on from what is done.", error);
            stop.Cancel();
            return;
        }
        var builder = farm.IndexOf(session);
        // Several find out at once, and some when it is back.
        if (builder < 0 || scheduler.StatusOf(builder) == BuilderStatus.Lost) return;
        var interrupted = jobs.Select(job => CallOff(job, builder)).OfType<Attempt>().ToArray();
        var had = jobs.Where(job => scheduler.StateOf(job.Index) == JobState.Done && job.Outputs is { Count: > 0 } outputs && outputs.All(path => catalog.Has(session, path))).ToArray();
        scheduler.Apply(new SchedulingEvent.BuilderLost(clock.Now, builder));
        catalog.Forget(session);
        RunBeside(() => connector.CloseAsync(session));
        TellOfFailure(session.Builder, error.About(interrupted.Select(attempt => attempt.Job.Name)));
        foreach (var attempt in interrupted)
        {
            NoteFailure(attempt, error.Message);
            if (attempt.Job.Running.Count == 0 && attempt.Job.Tries >= request.MaxAttempts) GiveUpAfterTries(attempt);
        }
        BuildLostOutputsAgain(session);
        BreakerOf(session.Builder).Open();
        if (error.Failure == BuilderFailure.FalseResult) Remember(session.Builder, error.Message);
        if (!CanPass(error)) return;
        Remember(session.Builder, error.Message);
        // What it has is of no use where it does not give it.
        AwaitReturn(session.Builder, session.IsGivenUp ? null : had);
    }

    private void BuildLostOutputsAgain(BuilderSession session)
    {
        // What waits for it comes behind a job, so from the back: what is to be built again needs its inputs again.
        foreach (var job in jobs.Reverse().Where(job => scheduler.StateOf(job.Index) == JobState.Done && IsNeeded(job) && job.Outputs.Any(path => catalog.Find(path) is null)))
        {
            reporter.Decided($"{job.Name} is built again: only {session} had it.");
            scheduler.Apply(new SchedulingEvent.OutputsLost(clock.Now, job.Index));
        }
    }

    private bool IsNeeded(RunJob job)
    {
        if (job.IsRequested && !job.HasEnded) return true;
        foreach (var dependent in scheduler.Graph.DependentsOf(job.Index))
        {
            if (scheduler.StateOf(dependent) is JobState.Waiting or JobState.Ready or JobState.Running) return true;
        }
        return false;
    }

    /// <summary>A builder that answers has failed a job for reasons of its own. When it does so again and again, it gets nothing for a while.</summary>
    private void Distrust(BuilderSession session, string reason)
    {
        var builder = farm.IndexOf(session);
        var breaker = BreakerOf(session.Builder);
        if (builder < 0 || scheduler.StatusOf(builder) != BuilderStatus.Online || !breaker.Fail()) return;
        scheduler.Apply(new SchedulingEvent.BuilderDrained(clock.Now, builder));
        Remember(session.Builder, reason);
        reporter.Degraded($"{session} fails again and again, and gets nothing for {breaker.Pause.TotalSeconds:0} s: {reason}");
        After(breaker, () => Task.FromResult(() =>
        {
            if (farm.IndexOf(session) == builder && scheduler.StatusOf(builder) == BuilderStatus.Draining) scheduler.Apply(new SchedulingEvent.BuilderJoined(clock.Now, Describe(session)));
        }));
    }

    /// <summary>Connects again, after a while.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="had">The jobs whose outputs it had when it was lost.</param>
    private void AwaitReturn(NixBuilder builder, IReadOnlyList<RunJob>? had = null) => After(BreakerOf(builder), async () =>
    {
        try
        {
            var session = await connector.ConnectAsync(builder, stop.Token);
            try
            {
                var kept = await executor.Outputs.FindKeptAsync(session, had ?? [], stop.Token);
                return () => Join(session, kept);
            }
            catch
            {
                catalog.Forget(session);
                await connector.CloseAsync(session);
                throw;
            }
        }
        catch (NixBuildFarmException e)
        {
            return () => StayAway(builder, e, had);
        }
    });

    private void StayAway(NixBuilder builder, NixBuildFarmException error, IReadOnlyList<RunJob>? had)
    {
        var breaker = BreakerOf(builder);
        breaker.Open();
        reporter.Decided($"{builder.Name} does not come back: {error.Message}");
        if (CanPass(error))
        {
            Remember(builder, error.Message);
            AwaitReturn(builder, had);
        }
        else
        {
            TellOfFailure(builder, error);
        }
    }

    /// <summary>Does something when a builder has been left alone for its time. As long as there is hope for it, no job is given up for want of a builder.</summary>
    private void After(CircuitBreaker breaker, Func<Task<Action>> work)
    {
        var hoped = breaker.HasHope;
        var pause = breaker.Pause;
        if (hoped) buildersToCome++;
        RunBeside(async () =>
        {
            await clock.DelayAsync(pause, stop.Token);
            var then = await work();
            Post(() =>
            {
                then();
                if (hoped) BuilderCame();
            });
        });
    }

    /// <summary>A job has no builder: those that connect may take it, else those that are left alone.</summary>
    private void TryThoseLeftAlone()
    {
        if (withoutBuilder.Count > 0 && connecting == 0) needed.TrySetResult();
    }

    /// <summary>One builder less to wait for, whether it came or not.</summary>
    private void BuilderCame()
    {
        TryThoseLeftAlone();
        if (--buildersToCome > 0) return;
        foreach (var job in withoutBuilder.Where(job => scheduler.StateOf(job.Index) == JobState.Ready && scheduler.WhyNot(job.Index).All(why => why is not null)).ToArray())
        {
            GiveUpWithoutBuilder(job);
        }
        withoutBuilder.Clear();
    }

    private void Join(BuilderSession session, IReadOnlyList<RunJob> kept)
    {
        Join(session);
        var builder = farm.IndexOf(session);
        foreach (var job in kept) UseAgain(job, session, builder);
    }

    /// <summary>A builder that was lost, and is back, still has the outputs of a job: they need not be built again, and may come home.</summary>
    private void UseAgain(RunJob job, BuilderSession session, int builder)
    {
        switch (scheduler.StateOf(job.Index))
        {
            case JobState.Done:
                scheduler.Apply(new SchedulingEvent.OutputsArrived(clock.Now, job.Index, builder));
                break;
            case JobState.Waiting or JobState.Ready:
                scheduler.Apply(new SchedulingEvent.JobResolved(clock.Now, job.Index, ExternalOutcome.Available, builder));
                reporter.Decided($"{job.Name} is not built again: {session} still has it.");
                NoteDone(job);
                break;
            default:
                // Another builder is at it.
                return;
        }
        if (job.Last is not { Outcome: { } outcome } last || last.Session.Builder.Name != session.Builder.Name || job.Outputs.All(path => catalog.Has(local, path))) return;
        job.Last = last.Over(session, stop.Token);
        BringHome(job.Last, builder, outcome);
    }

    private void Join(BuilderSession session)
    {
        var known = farm.FindIndex(other => other.Builder.Name == session.Builder.Name);
        if (known < 0) farm.Add(session);
        else farm[known] = session;
        scheduler.Apply(new SchedulingEvent.BuilderJoined(clock.Now, Describe(session)));
        Attend(session);
        reporter.Decided(known < 0 ? $"{session} has joined." : $"{session} is back.");
    }

    private CircuitBreaker BreakerOf(NixBuilder builder)
    {
        if (!breakers.TryGetValue(builder.Name, out var breaker)) breakers.Add(builder.Name, breaker = new());
        return breaker;
    }

    /// <summary>Later runs leave the builder alone, too, as long as this one does. The local machine is always there.</summary>
    private void Remember(NixBuilder builder, string reason)
    {
        var breaker = BreakerOf(builder);
        if (!builder.IsLocal) history.Note(new BuilderTrouble { Builder = builder.Name, Openings = breaker.Openings, Until = clock.UtcNow + breaker.Pause, Reason = reason });
    }

    /// <summary>The builder has built something.</summary>
    private void NoteWell(NixBuilder builder)
    {
        var breaker = BreakerOf(builder);
        if (breaker.Openings > 0 && !builder.IsLocal) history.Note(new BuilderTrouble { Builder = builder.Name, Openings = 0, Until = clock.UtcNow, Reason = "" });
        breaker.Close();
    }

    /// <summary>Whether trouble with a builder may pass by itself. A wrong host key, or a login that is refused, does not.</summary>
    private static bool CanPass(NixBuildFarmException error) =>
        error is BuilderException { Failure: BuilderFailure.ConnectionLost or BuilderFailure.Unreachable or BuilderFailure.NoNix or BuilderFailure.Incompatible };

    /// <summary>A builder as the history knows it, with the cores that its machine has told.</summary>
    private FarmBuilder Describe(BuilderSession session) =>
        estimates.Farm.First(builder => builder.Name == session.Builder.Name) with { Cores = session.Builder.BuildCores ?? 0 };
}
