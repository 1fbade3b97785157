using NixBuildFarm.Builders;
using NixBuildFarm.Logs;
using NixBuildFarm.Store;
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
    /// <param name="observer">Who is told what happens.</param>
    /// <param name="derivations">Where derivations are read from; null: the store's folder.</param>
    /// <param name="time">The clock; null: the machine's.</param>
    public BuildRun(
        BuildRequest request,
        IBuilderTransportFactory transports,
        IRunHistory history,
        IBuildObserver observer,
        IDerivationSource? derivations = null,
        TimeProvider? time = null)
    {
        this.request = request;
        this.transports = transports;
        store = history;
        this.observer = observer;
        this.derivations = derivations ?? new StoreFolder();
        this.time = time ?? TimeProvider.System;
        RunId = $"{this.time.GetUtcNow():yyyyMMdd-HHmmss}-{Random.Shared.Next(0x10000):x4}";
    }

    /// <summary>Names this run among all.</summary>
    public string RunId { get; }

    /// <summary>The run as it is kept; null until it has ended, however it does.</summary>
    public RunRecord? Record { get; private set; }

    /// <summary>Runs to the end. What becomes of each derivation is told to the observer.</summary>
    /// <returns>The results, in the order in which they came.</returns>
    /// <exception cref="NixBuildFarmException">The run could not begin: nothing that evaluates, no local store, unreadable derivations, nothing may come home.</exception>
    /// <exception cref="OperationCanceledException">It was stopped; no build of it goes on anywhere.</exception>
    public async Task<IReadOnlyList<NixBuildResult>> RunAsync(CancellationToken cancellation)
    {
        await using var history = RunHistory.Open(store, observer, time, request.LogFolder is null ? LogArchive.DefaultFolder : null);
        await using var sessions = new SessionSet(transports, new() { Verbose = observer.Decided, HasSlowLink = history.HasSlowLink });
        var localOpening = sessions.OpenLocalAsync(request.Builders, cancellation);
        var connector = new FarmConnector(request, sessions, localOpening, observer);
        var evaluating = request.Evaluate(cancellation);
        var remote = Connect(connector, await history.TroublesAsync(), cancellation);

        // The run begins when it is known what it is about; what does not evaluate is none.
        var requested = await evaluating;
        var recorder = new RunRecorder(RunId, request.Named.Count > 0 ? request.Named : [.. requested.Select(r => r.Derivation.ToString())], new(time));
        history.Note(recorder.Ongoing());
        try
        {
            var results = await RunAsync(requested, localOpening, connector, remote, history, recorder, cancellation);
            sessions.Complete();
            Record = recorder.Ended();
            history.Note(Record);
            return results;
        }
        catch (Exception e)
        {
            Record = recorder.Broken(e);
            history.Note(Record);
            throw;
        }
    }

    /// <summary>Begins to connect the builders, but for those that made trouble not long ago.</summary>
    private Remote Connect(FarmConnector connector, IReadOnlyList<BuilderTrouble> known, CancellationToken cancellation)
    {
        var now = time.GetUtcNow();
        var troubles = known.ToDictionary(trouble => trouble.Builder);
        var resting = request.Builders.Where(builder => !builder.IsLocal && troubles.GetValueOrDefault(builder.Name)?.PauseAt(now) > TimeSpan.Zero).ToArray();
        var rest = request.Builders.Where(builder => !builder.IsLocal).Except(resting);
        return new([.. rest.Select(builder => connector.TryConnectAsync(builder, cancellation))], resting, troubles);
    }

    private async Task<IReadOnlyList<NixBuildResult>> RunAsync(
        IReadOnlyList<RequestedDerivation> requested,
        Task<BuilderSession> localOpening,
        FarmConnector connector,
        Remote remote,
        RunHistory history,
        RunRecorder recorder,
        CancellationToken cancellation)
    {
        var jobs = await RunJobs.FindAsync(requested, derivations, localOpening, cancellation);
        var local = await localOpening;
        recorder.Jobs = jobs;
        var reporter = new RunReporter(observer, RunId, jobs.Jobs.Count, recorder.Clock);
        if (jobs.Jobs.Count > 0) reporter.Progress([], () => null);
        foreach (var valid in jobs.AlreadyValid(RunId)) reporter.AlreadyValid(valid);
        if (jobs.Jobs.Count > 0) await BuildAsync(jobs, local, connector, remote, history, recorder, reporter, cancellation);
        if (request.OutLink is { } link) await OutLinks.MakeAsync(link, InOrder(requested, reporter.Results), local, cancellation);
        return reporter.Results;
    }

    private static IEnumerable<NixBuildResult> InOrder(IReadOnlyList<RequestedDerivation> requested, IReadOnlyList<NixBuildResult> results) =>
        requested.Select(r => r.Derivation.ToString()).Distinct().Join(results, path => path, result => result.DerivationPath, (_, result) => result);

    private async Task BuildAsync(RunJobs jobs, BuilderSession local, FarmConnector connector, Remote remote, RunHistory history, RunRecorder recorder, RunReporter reporter, CancellationToken cancellation)
    {
        var clock = recorder.Clock;
        var meter = new LinkMeter(clock, history.Note);
        var supply = new Supply(catalog, new TransferScheduler(time, request.MaxUpload), meter, observer.Degraded, request.CopyBack == CopyBack.All ? local : null);
        var estimating = history.EstimateAsync(jobs.Graph, request.Builders);
        await supply.LearnAsync(local, jobs.LocalInputs, cancellation);
        jobs.Weigh(catalog);
        var connected = Task.WhenAll(remote.Connecting);
        if (local.Facts.Trusted) await Task.WhenAny(connected, Task.Delay(Gathering, time, cancellation));
        else await RefuseIfNothingMayComeHomeAsync(connected);
        cancellation.ThrowIfCancellationRequested();

        var (early, late) = (remote.Connecting.Where(r => r.IsCompletedSuccessfully).Select(r => r.Result).ToArray(), remote.Connecting.Where(r => !r.IsCompletedSuccessfully).ToArray());
        var farm = early.Select(r => r.Session).OfType<BuilderSession>().ToList();
        if (request.Builders.Any(builder => builder.IsLocal)) farm.Insert(0, local);
        var executor = new BuildExecutor(supply, local, request, request.LogFolder ?? LogArchive.FolderOf(RunId), clock);
        using var loop = new RunLoop(request, jobs, local, farm, await estimating, history, supply, catalog, executor, connector, reporter, clock, remote.Troubles.Values, cancellation);
        meter.Measured += loop.Learn;
        foreach (var slow in late) loop.Expect(slow);
        foreach (var builder in remote.Resting) loop.LeaveAlone(builder, remote.Troubles[builder.Name]);
        foreach (var missing in early.Where(r => r.Error is not null)) loop.MissBuilder(missing.Builder, missing.Error!);
        recorder.Farm = loop.Farm;
        history.Note(recorder.Ongoing());
        reporter.Progressed = () =>
        {
            if (!history.WantsRecord) return;
            recorder.Farm = loop.Farm;
            history.Note(recorder.Ongoing());
        };
        try
        {
            await loop.RunAsync(cancellation);
        }
        finally
        {
            recorder.Farm = loop.Farm;
        }
    }

    private static async Task RefuseIfNothingMayComeHomeAsync(Task<Connected[]> connected)
    {
        var builders = await connected;
        if (builders.Length == 0 || builders.Any(builder => builder.Session is not null)) return;
        throw new NixBuildFarmException(
            "UntrustedUser",
            "The local Nix daemon does not trust this user, and no builder signs with a key that it trusts: nothing that is built elsewhere could come home. Nothing was built.",
            LocalTrust.Recommendation);
    }

    /// <summary>The builders beside the local one.</summary>
    /// <param name="Connecting">What comes of connecting them.</param>
    /// <param name="Resting">Those that are not connected yet.</param>
    /// <param name="Troubles">What trouble any of them made.</param>
    private sealed record Remote(IReadOnlyList<Task<Connected>> Connecting, IReadOnlyList<NixBuilder> Resting, IReadOnlyDictionary<string, BuilderTrouble> Troubles);
}
