using System.Collections.Concurrent;
using NixBuildFarm.Builders;
using NixBuildFarm.Compiling;
using NixBuildFarm.Deciding;
using NixBuildFarm.Errors;
using NixBuildFarm.FollowUp;
using NixBuildFarm.History;
using NixBuildFarm.Observing;
using NixBuildFarm.Platform;
using NixBuildFarm.Running;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Sessions;
using NixBuildFarm.Store.Derivations;
using NixBuildFarm.Supplying;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Serving;

/// <summary>
/// A run that orders join while it goes on: one scheduler, and one session with each builder, for all of them. What several orders want is
/// built once. It ends some time after its last order.
/// </summary>
internal sealed class FarmRun : IAsyncDisposable
{
    private readonly BuildRequest request;
    private readonly IRunHistory store;
    private readonly IBuildObserver observer;
    private readonly TimeProvider time;
    private readonly SessionSet sessions;
    private readonly RunHistory history;
    private readonly RunClock clock;
    private readonly PathCatalog catalog = new();
    private readonly CancellationTokenSource stop = new();
    private readonly TaskCompletionSource<Engine> ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ConcurrentDictionary<int, FarmOrderRun> orders = new();
    private readonly Task running;
    private readonly Dictionary<string, int> users = [];
    private int lastRequest = Requests.First;

    /// <summary>Begins the run; builders are connected when an order can use them.</summary>
    /// <param name="request">The builders, and how the owner of the farm wants things built.</param>
    /// <param name="transports">How builders are reached.</param>
    /// <param name="store">What earlier runs have taught, and what this one teaches.</param>
    /// <param name="observer">Is told what concerns no order in particular.</param>
    /// <param name="time">The clock.</param>
    public FarmRun(BuildRequest request, IBuilderTransportFactory transports, IRunHistory store, IBuildObserver observer, TimeProvider time)
    {
        (this.request, this.store, this.observer, this.time) = (request, store, observer, time);
        clock = new(time);
        history = RunHistory.Open(store, observer, time, stopped: stop.Token);
        sessions = new(transports, new() { Verbose = observer.Decided, HasSlowLink = history.HasSlowLink }, request.Settings, time);
        running = RunAsync();
    }

    /// <summary>Whether the run has ended, so that nothing can join it any more.</summary>
    public bool HasEnded => running.IsCompleted;

    /// <summary>Builds what an order wants.</summary>
    /// <exception cref="NixBuildFarmException">It could not be begun, or the local store was lost.</exception>
    /// <exception cref="OperationCanceledException">The order was called off, or the run was.</exception>
    public async Task<IReadOnlyList<NixBuildResult>> BuildAsync(
        BuildOrder order, string runId, IBuildObserver client, CancellationToken cancellation)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, stop.Token);
        var engine = await ready.Task.WaitAsync(either.Token);
        await using var kept = RunHistory.Open(
            store, observer, time, request.LogFolder is null ? LogArchive.DefaultFolder : null, either.Token);
        var jobs = await RunJobs.FindAsync(order.Derivations, order.Source, engine.LocalOpening, either.Token);
        var run = new FarmOrderRun(order, runId, jobs, client, kept, new RunClock(time));
        try
        {
            if (jobs.Jobs.Count > 0) await JoinAsync(run, engine, either.Token);
            return run.End();
        }
        catch (Exception e)
        {
            run.Break(e);
            cancellation.ThrowIfCancellationRequested();
            throw;
        }
    }

    /// <summary>Ends the run, with all that it builds.</summary>
    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        stop.Dispose();
    }

    private async Task JoinAsync(FarmOrderRun order, Engine engine, CancellationToken cancellation)
    {
        var jobs = order.Jobs;
        foreach (var job in jobs.Jobs) job.Limits = order.Order.Settings.Limits;
        await engine.Supply.Closures.DiscoverAsync(await engine.LocalOpening, jobs.LocalInputs, cancellation);
        jobs.Weigh(catalog);
        var known = await Task.Run(() => history.BuildsOf(jobs.Graph), cancellation);
        var id = Interlocked.Increment(ref lastRequest);
        orders[id] = order;
        try
        {
            await engine.Builders.ConnectAsync(jobs.Graph).WaitAsync(cancellation);
            engine.Tasks.Post(
                new RunEvent.WorkAdded(id, jobs.Jobs, jobs.Graph)
                {
                    KeepsGoing = request.KeepGoing || order.Order.Settings.KeepGoing,
                    User = NumberOf(order.Order.Asker),
                    Priority = order.Order.Urgency,
                    Known = known,
                });
            await Task.WhenAny(order.Ended, running).WaitAsync(cancellation);
            if (!order.Ended.IsCompleted) await running;
        }
        finally
        {
            orders.TryRemove(id, out _);
            engine.Tasks.Post(new RunEvent.WorkWithdrawn(id));
        }
    }

    /// <summary>Users are numbered as they come.</summary>
    private int NumberOf(Asker? asker)
    {
        lock (users)
        {
            var name = asker?.User ?? "";
            if (!users.TryGetValue(name, out var number)) users.Add(name, number = users.Count);
            return number;
        }
    }

    private async Task RunAsync()
    {
        try
        {
            await using var closingSessions = sessions;
            await using var closingHistory = history;
            var localOpening = sessions.OpenLocalAsync(request.Builders, stop.Token);
            var connector = new FarmConnector(request, sessions, localOpening, observer);
            var remote = new RemoteBuilders(request, connector, await history.TroublesAsync(), time.GetUtcNow());
            var local = await localOpening;
            var meter = new LinkMeter(clock, history.Note);
            var news = new News(this);
            var supply = new Supply(catalog, new TransferScheduler(time, request.MaxUpload), meter, observer.Degraded, local)
            {
                Observer = news,
            };
            var open = new RunSessions(history);
            var here = open.Add(local);
            await using var logs = new LogKeeper(local, observer.Decided, stop.Token);
            using var hook = PostBuildHook.Of(request.PostBuildHook, observer.Degraded);
            using var tasks = new RunTasks(stop.Token);
            using var builders = new UsefulBuilders(remote, tasks, stop.Token);
            await using var shared = new SharedBuilds(
                supply, new(catalog, supply, observer.Decided), history, clock,
                happened => tasks.Post(new RunEvent.CompilesChanged(happened)), observer.Decided);
            var executor = new BuildExecutor(supply, new(catalog, supply.Closures), local, request, request.LogFolder, clock, logs)
            {
                Shared = shared,
                Holder = SlotHolder.NameOf(Environment.MachineName, $"farm-{Environment.ProcessId}"),
                LogFolderOf = LogFolderOf,
            };
            var none = new JobGraph([]);
            RunBuilder[] farm = request.Builders.Any(builder => builder.IsLocal) ? [here] : [];
            var facts = new RunFacts(
                request.Rules, [], none, here, farm, await history.EstimateAsync(none, request.Builders), clock.Started, "");
            var run = new LiveRun(facts, remote.Troubles.Values);
            var teller = new RunTeller(news) { Shared = shared };
            using var effects = new RunEffects(tasks, local, open, supply, catalog, executor, connector, teller)
            {
                Shared = shared,
                Hook = hook,
                Pushing = new(request, supply, catalog, local, connector, teller, clock),
                History = history,
                Builders = builders,
                Derivations = job => orders.GetValueOrDefault(job.WantedBy.Keys.FirstOrDefault())?.Order.Source ?? new StoreFolder(),
                Joined = joined => orders.GetValueOrDefault(joined.Request)?.Join(joined.Jobs),
                RequestEnded = id => orders.GetValueOrDefault(id)?.Finish(),
            };
            meter.Measured += transfer =>
            {
                var (download, upload) = history.LinkOf(transfer.Builder);
                tasks.Post(new RunEvent.LinkMeasured(transfer.Builder, download, upload));
            };
            ready.SetResult(new(localOpening, builders, supply, tasks));
            var loop = new RunLoop(run, tasks, effects, clock)
            {
                MayGoOn = () => true,
                Decided = () =>
                {
                    foreach (var order in orders.Values) order.Keep(facts.Scheduler.Builders);
                },
            };
            try
            {
                await loop.RunAsync(new RunEvent.Began([], [], []), stop.Token);
            }
            finally
            {
                await shared.CleanAsync(new(history, clock, observer.Decided), open.All);
            }
        }
        catch (Exception e)
        {
            ready.TrySetException(e);
            _ = ready.Task.Exception;
            throw;
        }
    }

    /// <summary>The logs of a build are in the folder of the order that wants it.</summary>
    private string LogFolderOf(Attempt attempt) =>
        LogArchive.FolderOf(orders.Values.FirstOrDefault(order => order.Wants(attempt.Job.Path.ToString()))?.RunId ?? "shared");

    private sealed record Engine(Task<BuilderSession> LocalOpening, UsefulBuilders Builders, Supply Supply, RunTasks Tasks);

    /// <summary>Tells each order what concerns it.</summary>
    private sealed class News(FarmRun run) : IBuildObserver
    {
        public void Observe(RunNews news)
        {
            if (news is not (RunNews.Ended or RunNews.Printed or RunNews.Progressed or RunNews.Copying)) run.observer.Observe(news);
            foreach (var order in run.orders.Values) order.Tell(news);
        }
    }
}
