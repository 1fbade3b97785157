using System.Collections.Concurrent;
using NixBuildFarm.Compiling;
using NixBuildFarm.Deciding;
using NixBuildFarm.Errors;
using NixBuildFarm.FollowUp;
using NixBuildFarm.History;
using NixBuildFarm.Observing;
using NixBuildFarm.Platform;
using NixBuildFarm.Sessions;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;
using NixBuildFarm.Supplying;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Running;

/// <summary>
/// Carries out the actions of a run: what takes time beside its loop, which hears of the end by an event; the rest at once. The sessions
/// and the catalog of paths are here; decisions know of them what events say.
/// </summary>
/// <remarks>Longer than most files: it has a method for each kind of action.</remarks>
internal sealed class RunEffects : IDisposable
{
    private const int SubstitutionsAtATime = 16;
    private const int CopiesHomeAtATime = 4;

    /// <summary>How often a builder is asked whether its daemon lives: a connection says nothing of that.</summary>
    private static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(10);

    private readonly RunTasks tasks;
    private readonly BuilderSession local;
    private readonly RunSessions sessions;
    private readonly Supply supply;
    private readonly PathCatalog catalog;
    private readonly BuildExecutor executor;
    private readonly FarmConnector connector;
    private readonly RunTeller teller;
    private readonly RunClock clock;
    private readonly ConcurrentDictionary<Attempt, CancellationTokenSource> builds = new();
    private readonly ConcurrentDictionary<Attempt, TaskCompletionSource> gates = new();
    private readonly MachineReader machines;
    private readonly EarlierBuilds earlier;
    private readonly SlotWaits slots;
    private readonly SemaphoreSlim substitutionTurn = new(SubstitutionsAtATime);
    private readonly SemaphoreSlim copyTurn = new(CopiesHomeAtATime);
    private readonly TaskCompletionSource wake = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CopyBackQueue requestedOutputs;
    private readonly CopyBackQueue otherOutputs;

    public RunEffects(
        RunTasks tasks,
        BuilderSession local,
        RunSessions sessions,
        Supply supply,
        PathCatalog catalog,
        BuildExecutor executor,
        FarmConnector connector,
        RunTeller teller)
    {
        this.tasks = tasks;
        this.local = local;
        this.sessions = sessions;
        this.supply = supply;
        this.catalog = catalog;
        this.executor = executor;
        this.connector = connector;
        this.teller = teller;
        clock = executor.Clock;
        machines = new(tasks, teller, clock);
        earlier = new(tasks, teller, clock);
        slots = new(tasks, teller, clock, executor.Holder);
        // What was asked for does not queue behind what was not.
        requestedOutputs = new(paths => CopyAsync(paths, TransferPurpose.Needed), atATime: 2);
        otherOutputs = new(CopyInTurnAsync, atATime: 1);
    }

    /// <summary>The shared builds.</summary>
    public required SharedBuilds Shared { get; init; }

    /// <summary>What runs here after each build; null: nothing does.</summary>
    public PostBuildHook? Hook { get; init; }

    /// <summary>Puts what is built into other stores.</summary>
    public required Pushing Pushing { get; init; }

    /// <summary>Keeps what the run learns; null: nothing does.</summary>
    public RunHistory? History { get; init; }

    /// <summary>Connects the builders that are of use for what joins; null: none beside those that are there.</summary>
    public UsefulBuilders? Builders { get; init; }

    /// <summary>Where the derivation is read that a job stands for.</summary>
    public required Func<RunJob, IDerivationSource> Derivations { get; init; }

    /// <summary>Called when a request has joined, and when it has ended, by whoever carries out actions; null: nobody minds.</summary>
    public Action<RunAction.Joined>? Joined { get; init; }

    /// <inheritdoc cref="Joined"/>
    public Action<int>? RequestEnded { get; init; }

    private CancellationToken Stopping => tasks.Stopping;

    /// <summary>Carries out an action.</summary>
    /// <returns>What follows at once; null: nothing, or an event when the action has ended.</returns>
    public RunEvent? Carry(RunAction action)
    {
        switch (action)
        {
            case RunAction.StartBuild a: StartBuild(a.Attempt); break;
            case RunAction.StopBuild a: StopBuild(a.Attempt); break;
            case RunAction.Prefetch a: tasks.Run(() => PrefetchAsync(a)); break;
            case RunAction.Fetch a: tasks.Run(() => FetchAsync(a.Job)); break;
            case RunAction.Expand a: ExpandBeside(a); break;
            case RunAction.BringHome a: tasks.Run(() => BringHomeAsync(a.Copy)); break;
            case RunAction.Push a: tasks.Run(() => PushAsync(a)); break;
            case RunAction.Connect a: tasks.Run(() => ConnectAsync(a)); break;
            case RunAction.Await a: tasks.Run(() => AwaitAsync(a)); break;
            case RunAction.AwaitSlot a: tasks.Run(() => slots.AwaitAsync(a.On, sessions[a.On])); break;
            case RunAction.WakeQuarantined: wake.TrySetResult(); break;
            case RunAction.Watch a:
                tasks.Run(() => WatchAsync(a.On));
                tasks.Run(() => machines.ReadAsync(a.On, sessions[a.On]));
                if (History is { } known) tasks.Run(() => earlier.AskAsync(a.On.Builder, sessions[a.On], known));
                break;
            case RunAction.Probe a: tasks.Run(() => ProbeAsync(a)); break;
            case RunAction.Disconnect a: return Disconnect(a);
            case RunAction.DropPaths a: DropPaths(a.On, a.Paths); break;
            case RunAction.DropSource a: return new RunEvent.SourceDropped(DropSource(a), a.Reason);
            case RunAction.Pause a: tasks.Run(() => PauseAsync(a)); break;
            case RunAction.Joined a: Joined?.Invoke(a); break;
            case RunAction.RequestEnded a: RequestEnded?.Invoke(a.Request); break;
            case RunAction.LetBegin a: GateOf(a.Attempt).TrySetResult(); break;
            case RunAction.PrepareHelper a: tasks.Run(() => Shared.PrepareAsync(a.Build, sessions[a.On], a.Helper, Stopping)); break;
            case RunAction.CompileHere a:
                tasks.Run(() => Shared.CompileAtHomeAsync(a.Compile, a.Home is null ? null : sessions[a.Home], a.Limit));
                break;
            case RunAction.Lend a: tasks.Run(() => Shared.LendAsync(a.Compile, sessions[a.On], a.Helper, a.Limit)); break;
            case RunAction.Recall a: Shared.Recall(a.Compile); break;
            case RunAction.Tell a: teller.Tell(a.News); break;
            case RunAction.TellProgress a: teller.Tell(a); break;
            case RunAction.KeepBuild a: History?.Note(a.Build); break;
            case RunAction.KeepTrouble a: History?.Note(a.Trouble); break;
            case RunAction.StopRun: tasks.Stop(); break;
            default: throw new InvalidOperationException($"The run decided {action}, which nothing carries out.");
        }
        return null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        substitutionTurn.Dispose();
        copyTurn.Dispose();
    }

    private void StartBuild(Attempt attempt)
    {
        var stop = CancellationTokenSource.CreateLinkedTokenSource(Stopping);
        builds[attempt] = stop;
        // Looked at here, on the run's own thread: it may change as soon as this has returned.
        var mayBegin = attempt.IsHeldUp ? GateOf(attempt).Task : Task.CompletedTask;
        // An attempt that is called off before its task begins has no source any more, and still its token.
        var cancellation = stop.Token;
        tasks.Run(() => BuildAsync(attempt, sessions[attempt.On], mayBegin, cancellation));
    }

    /// <summary>The connection is closed, and the builder's daemon ends the build.</summary>
    private void StopBuild(Attempt attempt)
    {
        // Who takes it out may use it: the build may end at the same time.
        if (!builds.TryRemove(attempt, out var stop)) return;
        stop.Cancel();
        stop.Dispose();
    }

    private TaskCompletionSource GateOf(Attempt attempt) =>
        gates.GetOrAdd(attempt, static _ => new(TaskCreationOptions.RunContinuationsAsynchronously));

    private async Task BuildAsync(Attempt attempt, BuilderSession session, Task mayBegin, CancellationToken cancellation)
    {
        try
        {
            var outcome = await executor.CarryOutAsync(
                attempt,
                session,
                mayBegin,
                awaitsSlot: () => tasks.Run(() => slots.SayWhoHoldsAsync(attempt, session)),
                begun: (supplied, log) =>
                {
                    slots.TellOfNone(session);
                    tasks.Post(new RunEvent.BuildBegan(attempt, supplied, log));
                },
                said: message =>
                {
                    teller.Hear(attempt, message);
                    if (RunTeller.PhaseOf(message) is { } phase) tasks.Post(new RunEvent.PhaseEntered(attempt, phase));
                },
                cancellation);
            tasks.Post(new RunEvent.BuildEnded(attempt, outcome));
        }
        catch (Exception e) when (e is NixBuildFarmException or IOException)
        {
            tasks.Post(new RunEvent.AttemptFailed(attempt, e, IsPathGone(e)));
        }
        finally
        {
            teller.Forget(attempt);
            gates.TryRemove(attempt, out _);
            if (builds.TryRemove(attempt, out var stop)) stop.Dispose();
        }
    }

    private async Task PrefetchAsync(RunAction.Prefetch prefetch)
    {
        var (job, on, builder, urgency) = prefetch;
        try
        {
            await supply.EnsureAsync(sessions[on], job.Inputs, urgency, Stopping, job.Path);
            tasks.Post(new RunEvent.InputsArrived(job, builder));
        }
        catch (Exception e) when (e is NixBuildFarmException or IOException)
        {
            // The build itself fails for the same reason, and reports it.
            teller.Tell(new RunNews.Decided($"The inputs of {job.Name} could not be sent ahead to {on}: {e.Message}"));
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
                    var news = new FetchNews(teller.Tell, job.Path);
                    foreach (var path in job.Wanted) await daemon.EnsurePathAsync(path, Stopping, news.Hear);
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

    private void ExpandBeside(RunAction.Expand expand)
    {
        // Looked up here, on the run's own thread.
        var derivations = Derivations(expand.Job);
        tasks.Run(() => ExpandAsync(expand, derivations));
    }

    private async Task ExpandAsync(RunAction.Expand expand, IDerivationSource derivations)
    {
        try
        {
            var jobs = await RunJobs.ExpandAsync(expand.Job.Expansion!, expand.Made, derivations, local, Stopping);
            await supply.Closures.DiscoverAsync(local, jobs.LocalInputs, Stopping);
            jobs.Weigh(catalog);
            foreach (var job in jobs.Jobs) job.Limits = expand.Job.Limits;
            var expanded = jobs.ToExpanded(expand.Job, History?.BuildsOf(jobs.Graph) ?? []);
            await supply.Closures.DiscoverAsync(local, [.. expanded.Outputs.Values], Stopping);
            if (Builders is not null) await Builders.ConnectAsync(jobs.Graph);
            tasks.Post(expanded);
        }
        catch (NixBuildFarmException e)
        {
            tasks.Post(new RunEvent.ExpandFailed(expand.Job, e));
        }
    }

    private async Task BringHomeAsync(CopyHome copy)
    {
        var (job, builder) = (copy.Attempt.Job, copy.Attempt.On.Name);
        DateTimeOffset? begun = null, ended = null;
        try
        {
            begun = await (job.MustComeHome ? requestedOutputs : otherOutputs).CopyAsync(builder, copy.Outputs);
            ended = clock.UtcNow;
            await BuiltOutputs.RegisterAsync(local, job, copy.Attempt.Resolved, copy.Outcome.Outputs, Stopping);
            if (Hook is not null && copy.Status == NixBuildStatus.Built) await Hook.RunAsync(job.Path, copy.Outputs, Stopping);
            tasks.Post(new RunEvent.CameHome(copy, begun.Value, ended.Value));
        }
        catch (Exception e) when (e is NixBuildFarmException or IOException)
        {
            tasks.Post(new RunEvent.CopyBackFailed(copy, begun, ended, e, IsPathGone(e)));
        }
    }

    private async Task PushAsync(RunAction.Push action)
    {
        var push = action.Outputs;
        await clock.DelayAsync(action.After, Stopping);
        try
        {
            await Pushing.PushAsync(push.Target, push.By is { } builder ? sessions[builder] : null, push.Outputs, Stopping);
            tasks.Post(new RunEvent.Pushed(push));
        }
        catch (Exception e) when (e is NixBuildFarmException or IOException)
        {
            tasks.Post(new RunEvent.PushFailed(push, e));
        }
        catch (OperationCanceledException) when (!Stopping.IsCancellationRequested)
        {
            tasks.Post(new RunEvent.PushFailed(push, new NixBuildFarmException("PushFailed", "The push was cut off.")));
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
                tasks.Post(new RunEvent.BuilderConnected(connection, sessions.Add(session), kept));
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

    private async Task AwaitAsync(RunAction.Await connect)
    {
        var (builder, session, error) = await Builders!.ConnectionOf(connect.Builder).WaitAsync(Stopping);
        tasks.Post(session is not null
            ? new RunEvent.BuilderConnected(connect.Connection, sessions.Add(session), [])
            : new RunEvent.ConnectFailed(connect.Connection, builder, error!));
    }

    private async Task WatchAsync(RunBuilder builder)
    {
        var session = sessions[builder];
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
            tasks.Post(new RunEvent.BuilderSilent(builder, e));
        }
    }

    private async Task ProbeAsync(RunAction.Probe probe)
    {
        var answers = await sessions[probe.On].AnswersAsync(Stopping);
        tasks.Post(new RunEvent.BuilderAnswered(probe.On, probe.Error, answers, probe.Cause));
    }

    private async Task PauseAsync(RunAction.Pause pause)
    {
        await clock.DelayAsync(pause.Time, Stopping);
        tasks.Post(new RunEvent.PauseOver(pause.On, pause.IsAwaited));
    }

    private RunEvent.Disconnected Disconnect(RunAction.Disconnect disconnect)
    {
        var session = sessions[disconnect.On];
        RunJob[] had =
        [
            .. disconnect.Done.Where(job => job.Outputs is { Count: > 0 } outputs && outputs.All(path => catalog.Has(session, path))),
        ];
        catalog.Forget(session);
        tasks.Run(() => connector.CloseAsync(session));
        RunJob[] lost = [.. disconnect.Done.Where(job => job.Outputs.Any(path => catalog.Find(path) is null))];
        return new(disconnect.On, disconnect.Error, had, lost, session.IsGivenUp, disconnect.Cause);
    }

    private void DropPaths(RunBuilder builder, IReadOnlyList<StorePath> paths)
    {
        foreach (var path in paths) catalog.Remove(path, sessions[builder]);
    }

    private List<StorePath> DropSource(RunAction.DropSource drop)
    {
        var session = sessions[drop.On];
        var avoid = new HashSet<BuilderSession> { session };
        StorePath[] only =
        [
            .. catalog.ClosureOf(drop.Needs.Inputs).Select(info => info.Path).Where(path => catalog.NearestHolderOf(path, avoid) is null),
        ];
        foreach (var path in only) catalog.Remove(path, session);
        return [.. only.Where(path => catalog.Find(path) is null)];
    }

    private bool IsPathGone(Exception error) => Rebuilds.UselessPathOf(error) is { } path && catalog.Find(path) is null;
}
