using NixBuildFarm.Builders;
using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Compiling;
using NixBuildFarm.Deciding;
using NixBuildFarm.Deciding.Journal;
using NixBuildFarm.Errors;
using NixBuildFarm.Evaluation;
using NixBuildFarm.FollowUp;
using NixBuildFarm.History;
using NixBuildFarm.Observing;
using NixBuildFarm.Platform;
using NixBuildFarm.Sessions;
using NixBuildFarm.Store.Derivations;
using NixBuildFarm.Supplying;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Running;

/// <summary>One run, from what was asked for to its outputs: connects, finds what is to be done, has it done, and tidies up.</summary>
public sealed class BuildRun
{
    /// <summary>How long the start of the run waits for slow builders; those that answer later join then.</summary>
    private static readonly TimeSpan Gathering = TimeSpan.FromSeconds(1);

    private readonly BuildRequest request;
    private readonly IBuilderTransportFactory transports;
    private readonly IRunHistory store;
    private readonly IBuildObserver observer;
    private readonly IDerivationSource derivations;
    private readonly TimeProvider time;
    private readonly PathCatalog catalog = new();

    /// <summary>Makes a run; nothing happens yet.</summary>
    /// <param name="request">What to build, with which builders, and how.</param>
    /// <param name="transports">How builders are reached, the local one too.</param>
    /// <param name="history">What earlier runs have taught, and what this one teaches; the caller disposes of it.</param>
    /// <param name="observer">Receives progress and results.</param>
    public BuildRun(BuildRequest request, IBuilderTransportFactory transports, IRunHistory history, IBuildObserver observer)
        : this(request, transports, history, observer, new StoreFolder(), TimeProvider.System)
    {
    }

    internal BuildRun(
        BuildRequest request, IBuilderTransportFactory transports, IRunHistory history, IBuildObserver observer,
        IDerivationSource derivations, TimeProvider time)
    {
        this.request = request;
        this.transports = transports;
        store = history;
        this.observer = observer;
        this.derivations = derivations;
        this.time = time;
        RunId = NewId(time);
    }

    /// <summary>An id for a run that begins now.</summary>
    internal static string NewId(TimeProvider time) => $"{time.GetUtcNow():yyyyMMdd-HHmmss}-{Random.Shared.Next(0x10000):x4}";

    /// <summary>Names this run among all.</summary>
    public string RunId { get; }

    /// <summary>The run as it is kept; null until it has ended, however it does.</summary>
    public RunRecord? Record { get; private set; }

    /// <summary>Runs to the end. What becomes of each derivation is told to the observer.</summary>
    /// <returns>The results, in the order in which they came.</returns>
    /// <exception cref="NixBuildFarmException">The run could not begin: nothing that evaluates, no local store, unreadable derivations,
    /// nothing may come home.</exception>
    /// <exception cref="OperationCanceledException">It was stopped; no build of it goes on anywhere.</exception>
    public async Task<IReadOnlyList<NixBuildResult>> RunAsync(CancellationToken cancellation)
    {
        request.Links?.CheckFolder();
        var clock = new RunClock(time);
        foreach (var machine in request.Builders.Where(builder => builder.OtherEntries.Count > 0))
        {
            observer.Decided($"{string.Join(", ", machine.OtherEntries.Select(entry => entry.Name))}: the same machine as {machine.Name}, "
                + "with which it shares slots and connections.");
        }
        await using var history = RunHistory.Open(
            store, observer, time, request.LogFolder is null ? LogArchive.DefaultFolder : null, cancellation);
        var keeping = Task.Run(() => history.Others.KeepReports(request.Builders), CancellationToken.None);
        await using var sessions = new SessionSet(
            transports, new() { Verbose = observer.Decided, HasSlowLink = history.HasSlowLink }, request.Settings, time);
        var localOpening = sessions.OpenLocalAsync(request.Builders, cancellation);
        var connector = new FarmConnector(request, sessions, localOpening, observer);
        var evaluating = request.Evaluate(cancellation);
        var remote = new RemoteBuilders(request, connector, await history.TroublesAsync(), time.GetUtcNow());
        remote.ConnectLikely(cancellation);

        // The run begins when it is known what it is about; what does not evaluate is none.
        var requested = await evaluating;
        var recorder = new RunRecorder(
            RunId,
            request.Named.Count > 0 ? request.Named : [.. requested.Select(r => r.Derivation.ToString())],
            clock) { EvaluationSeconds = clock.Now };
        history.Note(recorder.Ongoing());
        observer.Observe(new RunNews.Began(RunId, recorder.Requested));
        try
        {
            var results = await RunAsync(requested, localOpening, connector, remote, history, recorder, cancellation);
            sessions.Complete();
            await keeping;
            End(recorder.Ended());
            return results;
        }
        catch (Exception e)
        {
            End(recorder.Broken(e));
            throw;
        }

        void End(RunRecord ended)
        {
            Record = ended;
            history.Note(ended);
            observer.Observe(new RunNews.Over(ended.State));
        }
    }

    private async Task<IReadOnlyList<NixBuildResult>> RunAsync(
        IReadOnlyList<RequestedDerivation> requested,
        Task<BuilderSession> localOpening,
        FarmConnector connector,
        RemoteBuilders remote,
        RunHistory history,
        RunRecorder recorder,
        CancellationToken cancellation)
    {
        request.Links?.CheckNames(requested);
        (requested, var jobs) = await RunJobs.FindAsync(requested, request.Evaluate, derivations, localOpening, cancellation);
        var local = await localOpening;
        recorder.Jobs = jobs;
        if (jobs.Jobs.Count > 0) observer.Observe(new RunNews.Progressed(new(jobs.Jobs.Count, 0, 0, [])));
        var results = jobs.AlreadyValid(RunId).ToList();
        foreach (var valid in results) observer.Observe(new RunNews.Ended(valid));
        if (jobs.Jobs.Count > 0) results.AddRange(await BuildAsync(jobs, local, connector, remote, history, recorder, cancellation));
        if (request.Links is { } links) await links.MakeAsync(requested, results, local, cancellation);
        TellOfWhatStays(results);
        return results;
    }

    /// <summary>No root can be made on a builder over the protocol of its daemon.</summary>
    private void TellOfWhatStays(IReadOnlyList<NixBuildResult> results)
    {
        var staying = request.Builders.Where(builder => !builder.IsLocal && request.Rules.CopyBackOf(builder) == CopyBack.None)
            .Select(builder => builder.Name)
            .ToHashSet();
        string[] builders =
        [
            .. results.Where(result => result is { Status: NixBuildStatus.Built, Builder: { } builder } && staying.Contains(builder))
                .Select(result => result.Builder!)
                .Distinct()
                .Order(),
        ];
        if (builders.Length == 0) return;
        observer.Degraded($"What was built stays on {string.Join(", ", builders)}, where no root keeps it: it is there until garbage is "
            + "collected. Copy-NixStorePath -From brings it home, with -NoCheckSignature where it is not signed.");
    }

    private async Task<IReadOnlyList<NixBuildResult>> BuildAsync(
        RunJobs jobs, BuilderSession local, FarmConnector connector, RemoteBuilders remote, RunHistory history, RunRecorder recorder,
        CancellationToken cancellation)
    {
        var clock = recorder.Clock;
        var (connecting, resting) = remote.ConnectUseful(jobs.Graph, cancellation);
        var meter = new LinkMeter(clock, history.Note);
        var supply = new Supply(
            catalog,
            new TransferScheduler(time, request.MaxUpload),
            meter,
            observer.Degraded,
            request.CopyBack == CopyBack.All ? local : null) { Observer = observer };
        var estimating = history.EstimateAsync(jobs.Graph, request.Builders);
        await supply.Closures.DiscoverAsync(local, jobs.LocalInputs, cancellation);
        jobs.Weigh(catalog);
        var connected = Task.WhenAll(connecting.Values);
        if (!local.Facts.Trusted) await RefuseIfNothingMayComeHomeAsync([.. connecting.Values], cancellation);
        await Task.WhenAny(connected, Task.Delay(Gathering, time, cancellation));
        cancellation.ThrowIfCancellationRequested();

        var late = connecting.Where(connection => !connection.Value.IsCompletedSuccessfully)
            .ToDictionary(connection => connection.Key.Name, connection => connection.Value);
        var early = connecting.Where(connection => !late.ContainsKey(connection.Key.Name))
            .Select(connection => connection.Value.Result)
            .ToArray();
        var sessions = new RunSessions(history);
        var here = sessions.Add(local);
        var farm = early.Select(r => r.Session).OfType<BuilderSession>().Select(sessions.Add).ToList();
        if (request.Builders.Any(builder => builder.IsLocal)) farm.Insert(0, here);
        await using var logs = new LogKeeper(local, observer.Decided, cancellation);
        using var hook = PostBuildHook.Of(request.PostBuildHook, observer.Degraded);
        var outputs = new BuiltOutputs(catalog, supply.Closures);
        using var tasks = new RunTasks(cancellation);
        using var builders = new UsefulBuilders(remote, tasks, cancellation);
        foreach (var (builder, connection) in connecting) builders.Add(builder, connection);
        foreach (var builder in resting) builders.AddQuarantined(builder);
        await using var shared = new SharedBuilds(
            supply, new(catalog, supply, observer.Decided), history, clock,
            happened => tasks.Post(new RunEvent.CompilesChanged(happened)), observer.Decided);
        var executor = new BuildExecutor(
            supply, outputs, local, request, request.LogFolder ?? LogArchive.FolderOf(RunId), clock, logs)
        {
            Shared = shared,
            Holder = SlotHolder.NameOf(Environment.MachineName, RunId),
        };
        var facts = new RunFacts(request.Rules, jobs.Jobs, jobs.Graph, here, farm, await estimating, clock.Started, RunId);
        var run = new LiveRun(facts, remote.Troubles.Values);
        observer.Observe(new RunNews.Found(jobs.Describe(facts.Scheduler.EstimateOf)));
        var teller = new RunTeller(observer) { Shared = shared, BringsFoldersHome = request.KeepFailed };
        using var effects = new RunEffects(tasks, local, sessions, supply, catalog, executor, connector, teller)
        {
            Shared = shared,
            Hook = hook,
            Pushing = new(request, supply, catalog, local, connector, teller, clock),
            History = history,
            Builders = builders,
            Derivations = _ => derivations,
            // What was found before the run, and what builds of it have made.
            Joined = _ => recorder.Joined = facts.Jobs,
        };
        meter.Measured += transfer =>
        {
            var (download, upload) = history.LinkOf(transfer.Builder);
            tasks.Post(new RunEvent.LinkMeasured(transfer.Builder, download, upload));
        };
        var began = new RunEvent.Began(
            [.. connecting.Keys.Where(builder => late.ContainsKey(builder.Name))],
            [.. resting.Select(builder => (builder, remote.Troubles[builder.Name]))],
            [.. early.Where(r => r.Error is not null).Select(missing => (missing.Builder, missing.Error!))]);
        recorder.Farm = facts.Scheduler.Builders;
        history.Note(recorder.Ongoing());
        await using var journal = OpenJournal(facts, history, remote);
        try
        {
            await new RunLoop(run, tasks, effects, clock)
            {
                Decided = NoteRecord,
                Journal = journal is null ? null : new(journal.WriteLine),
            }.RunAsync(began, cancellation);
            await shared.CleanAsync(new(history, clock, observer.Decided), sessions.All);
            return facts.Reporter.Results;
        }
        finally
        {
            recorder.Farm = facts.Scheduler.Builders;
        }

        void NoteRecord()
        {
            if (!history.WantsRecord) return;
            recorder.Farm = facts.Scheduler.Builders;
            history.Note(recorder.Ongoing());
        }
    }

    /// <summary>A run does not fail for want of a journal.</summary>
    private StreamWriter? OpenJournal(RunFacts facts, RunHistory history, RemoteBuilders remote)
    {
        if (request.JournalFile is not { } file) return null;
        try
        {
            var output = new StreamWriter(new FileStream(file, new FileStreamOptions
            {
                Mode = FileMode.Create, Access = FileAccess.Write,
                UnixCreateMode = OperatingSystem.IsWindows() ? null : UnixFileMode.UserRead | UnixFileMode.UserWrite,
            }));
            output.AutoFlush = true;
            new RunJournal(output.WriteLine).Begin(facts, history.BuildsOf(facts.Scheduler.Graph), remote.Troubles.Values);
            return output;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            observer.Degraded($"The journal of this run cannot be written: {e.Message}");
            return null;
        }
    }

    /// <summary>Waits for a builder whose outputs may come home; there is none where each has said so.</summary>
    private async Task RefuseIfNothingMayComeHomeAsync(IReadOnlyList<Task<Connected>> connecting, CancellationToken cancellation)
    {
        if (connecting.Count == 0) return;
        for (var left = connecting.ToList(); left.Count > 0;)
        {
            var first = await Task.WhenAny(left).WaitAsync(cancellation);
            if ((await first).Session is not null) return;
            left.Remove(first);
        }
        foreach (var connection in connecting)
        {
            var (builder, _, error) = await connection;
            observer.Observe(new RunNews.BuilderFailed(builder, error!));
        }
        throw new NixBuildFarmException(
            "UntrustedUser",
            "The local Nix daemon does not trust this user, and no builder signs with a key that it trusts: nothing that is built "
                + "elsewhere could come home. Nothing was built.",
            LocalTrust.Recommendation);
    }
}
