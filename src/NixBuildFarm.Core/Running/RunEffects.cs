using NixBuildFarm.Compiling;
using NixBuildFarm.Deciding;
using NixBuildFarm.Errors;
using NixBuildFarm.FollowUp;
using NixBuildFarm.History;
using NixBuildFarm.Platform;
using NixBuildFarm.Protocol;
using NixBuildFarm.Sessions;
using NixBuildFarm.Store;
using NixBuildFarm.Supplying;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Running;

/// <summary>Carries out the actions of a run, each beside its loop, and answers with events.</summary>
internal sealed class RunEffects : IDisposable
{
    private const int SubstitutionsAtATime = 16;
    private const int CopiesHomeAtATime = 4;

    /// <summary>How often a builder is asked whether its daemon lives: a connection says nothing of that.</summary>
    private static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(10);

    private readonly RunTasks tasks;
    private readonly BuilderSession local;
    private readonly Supply supply;
    private readonly PathCatalog catalog;
    private readonly BuildExecutor executor;
    private readonly FarmConnector connector;
    private readonly RunReporter reporter;
    private readonly RunClock clock;
    private readonly SemaphoreSlim substitutionTurn = new(SubstitutionsAtATime);
    private readonly SemaphoreSlim copyTurn = new(CopiesHomeAtATime);
    private readonly TaskCompletionSource wake = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CopyBackQueue requestedOutputs;
    private readonly CopyBackQueue otherOutputs;

    public RunEffects(
        RunTasks tasks,
        BuilderSession local,
        Supply supply,
        PathCatalog catalog,
        BuildExecutor executor,
        FarmConnector connector,
        RunReporter reporter,
        RunClock clock)
    {
        this.tasks = tasks;
        this.local = local;
        this.supply = supply;
        this.catalog = catalog;
        this.executor = executor;
        this.connector = connector;
        this.reporter = reporter;
        this.clock = clock;
        // What was asked for does not queue behind what was not.
        requestedOutputs = new(paths => CopyAsync(paths, TransferPurpose.Needed), atATime: 2);
        otherOutputs = new(CopyInTurnAsync, atATime: 1);
    }

    /// <summary>The shared builds.</summary>
    public required SharedBuilds Shared { get; init; }

    /// <summary>What runs here after each build; null: nothing does.</summary>
    public PostBuildHook? Hook { get; init; }

    private CancellationToken Stopping => tasks.Stopping;

    /// <summary>Carries out an action.</summary>
    public void Carry(RunAction action)
    {
        switch (action)
        {
            case RunAction.StartBuild a: tasks.Run(() => BuildAsync(a.Attempt)); break;
            case RunAction.StopBuild a: a.Attempt.Cancel(); break;
            case RunAction.Prefetch a: tasks.Run(() => PrefetchAsync(a)); break;
            case RunAction.Fetch a: tasks.Run(() => FetchAsync(a.Job)); break;
            case RunAction.BringHome a: tasks.Run(() => BringHomeAsync(a.Copy)); break;
            case RunAction.Connect a: tasks.Run(() => ConnectAsync(a)); break;
            case RunAction.WakeQuarantined: wake.TrySetResult(); break;
            case RunAction.Watch a: tasks.Run(() => WatchAsync(a.Session)); break;
            case RunAction.Probe a: tasks.Run(() => ProbeAsync(a)); break;
            case RunAction.Disconnect a: tasks.Run(() => connector.CloseAsync(a.Session)); break;
            case RunAction.Pause a: tasks.Run(() => PauseAsync(a)); break;
            case RunAction.PrepareHelper a: tasks.Run(() => Shared.PrepareAsync(a.Build, a.Session, a.Helper, Stopping)); break;
            case RunAction.CompileHere a: tasks.Run(() => Shared.CompileAtHomeAsync(a.Compile, a.Home, a.Limit)); break;
            case RunAction.Lend a: tasks.Run(() => Shared.LendAsync(a.Compile, a.Session, a.Helper, a.Limit)); break;
            case RunAction.Recall a: Shared.Recall(a.Compile); break;
            case RunAction.StopRun: tasks.Stop(); break;
            default: throw new InvalidOperationException($"The run decided {action}, which nothing carries out.");
        }
    }

    /// <summary>Answers when a builder is connected, or cannot be, that began to connect before the run.</summary>
    public void Await(Task<Connected> connecting, PendingConnection connection) => tasks.Run(async () =>
    {
        var (builder, session, error) = await connecting.WaitAsync(Stopping);
        tasks.Post(session is not null ? new RunEvent.BuilderConnected(connection, session, []) : new RunEvent.ConnectFailed(connection, builder, error!));
    });

    /// <inheritdoc/>
    public void Dispose()
    {
        substitutionTurn.Dispose();
        copyTurn.Dispose();
    }

    private async Task BuildAsync(Attempt attempt)
    {
        try
        {
            var outcome = await executor.CarryOutAsync(
                attempt,
                begun: () => tasks.Post(new RunEvent.BuildBegan(attempt)),
                said: message => Hear(attempt, message));
            tasks.Post(new RunEvent.BuildEnded(attempt, outcome));
        }
        catch (Exception e) when (e is NixBuildFarmException or IOException)
        {
            tasks.Post(new RunEvent.AttemptFailed(attempt, e));
        }
        finally
        {
            tasks.Post(new RunEvent.AttemptReleased(attempt));
        }
    }

    private void Hear(Attempt attempt, DaemonMessage message)
    {
        switch (message)
        {
            case BuildPhaseEntered phase: attempt.Phase = phase.Phase; break;
            case BuildLogLine { IsContinued: false } line: reporter.Printed(attempt, line.IsUnfinished ? line.Line + '…' : line.Line); break;
        }
    }

    private async Task PrefetchAsync(RunAction.Prefetch prefetch)
    {
        var (job, session, builder, urgency) = prefetch;
        try
        {
            await supply.EnsureAsync(session, job.Inputs, urgency, Stopping);
            tasks.Post(new RunEvent.InputsArrived(job, builder));
        }
        catch (Exception e) when (e is NixBuildFarmException or IOException)
        {
            // The build itself will meet the same trouble, and report it.
            reporter.Decided($"The inputs of {job.Name} could not be sent ahead to {session}: {e.Message}");
        }
    }

    private async Task FetchAsync(RunJob job)
    {
        var begun = clock.UtcNow;
        await substitutionTurn.WaitAsync(Stopping);
        try
        {
            await local.UseAsync(
                ChannelUse.Build,
                async daemon =>
                {
                    await daemon.SetOptionsAsync(local.Options, Stopping);
                    foreach (var path in job.Wanted) await daemon.EnsurePathAsync(path, Stopping);
                    return true;
                },
                Stopping);
            await supply.Closures.DiscoverAsync(local, job.Wanted, Stopping);
            tasks.Post(new RunEvent.Fetched(job, begun));
        }
        catch (NixBuildFarmException e)
        {
            tasks.Post(new RunEvent.FetchFailed(job, e));
        }
        finally
        {
            substitutionTurn.Release();
        }
    }

    private async Task BringHomeAsync(CopyHome copy)
    {
        var (job, builder) = (copy.Attempt.Job, copy.Attempt.Session.Builder.Name);
        DateTimeOffset? begun = null, ended = null;
        try
        {
            begun = await (job.IsRequested ? requestedOutputs : otherOutputs).CopyAsync(builder, copy.Outputs);
            ended = clock.UtcNow;
            if (job.Goal is { } goal) await RegisterAsync(goal.RealisationsOf(copy.Outcome.Outputs));
            if (Hook is not null && copy.Status == NixBuildStatus.Built) await Hook.RunAsync(job.Path, copy.Outputs, Stopping);
            tasks.Post(new RunEvent.CameHome(copy, begun.Value, ended.Value));
        }
        catch (Exception e) when (e is NixBuildFarmException or IOException)
        {
            tasks.Post(new RunEvent.CopyBackFailed(copy, begun, ended, e));
        }
    }

    private async Task<DateTimeOffset> CopyAsync(IReadOnlyCollection<StorePath> paths, TransferPurpose purpose)
    {
        var begun = clock.UtcNow;
        await supply.EnsureAsync(local, paths, new(purpose), Stopping);
        return begun;
    }

    private async Task<DateTimeOffset> CopyInTurnAsync(IReadOnlyCollection<StorePath> paths)
    {
        await copyTurn.WaitAsync(Stopping);
        try
        {
            return await CopyAsync(paths, TransferPurpose.CopyBack);
        }
        finally
        {
            copyTurn.Release();
        }
    }

    /// <summary>Else the local store would have the outputs, and not know that they are those of the derivation.</summary>
    private async Task RegisterAsync(IReadOnlyList<Realisation> realisations)
    {
        if (realisations.Count > 0) await local.AskAsync((daemon, token) => daemon.RegisterRealisationsAsync(realisations, token), Stopping);
    }

    private async Task ConnectAsync(RunAction.Connect connect)
    {
        var (builder, pause, connection) = connect;
        var rest = clock.DelayAsync(pause, Stopping);
        await (connection.Cause == ConnectCause.Quarantine ? Task.WhenAny(rest, wake.Task) : rest);
        Stopping.ThrowIfCancellationRequested();
        try
        {
            var session = await connector.ConnectAsync(builder, Stopping);
            try
            {
                var kept = await executor.Outputs.FindKeptAsync(session, connection.Had, Stopping);
                tasks.Post(new RunEvent.BuilderConnected(connection, session, kept));
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
            tasks.Post(new RunEvent.ConnectFailed(connection, builder, e));
        }
    }

    private async Task WatchAsync(BuilderSession session)
    {
        try
        {
            while (true)
            {
                await clock.DelayAsync(Heartbeat, Stopping);
                await session.PingAsync(Stopping);
            }
        }
        catch (BuilderException e)
        {
            tasks.Post(new RunEvent.BuilderSilent(session, e));
        }
    }

    private async Task ProbeAsync(RunAction.Probe probe)
    {
        var answers = await probe.Session.AnswersAsync(Stopping);
        tasks.Post(new RunEvent.BuilderAnswered(probe.Session, probe.Error, answers, probe.Cause));
    }

    private async Task PauseAsync(RunAction.Pause pause)
    {
        await clock.DelayAsync(pause.Time, Stopping);
        tasks.Post(new RunEvent.PauseOver(pause.Session, pause.IsAwaited));
    }
}
