using NixBuildFarm.Builders;
using NixBuildFarm.Compiling;
using NixBuildFarm.Deciding;
using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Logs;
using NixBuildFarm.Observing;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Work;

namespace NixBuildFarm.Running;

/// <summary>
/// The history as one run uses it: read when the run begins, written beside it and when it ends. What goes wrong with it costs the run
/// nothing; it is told once, and the run goes on without.
/// </summary>
internal sealed class RunHistory : IKeptCompiles, IAsyncDisposable
{
    /// <summary>A run that is killed loses what it has seen in this time.</summary>
    private static readonly TimeSpan WriteInterval = TimeSpan.FromSeconds(5);

    /// <summary>How long the end of a run waits for another program that keeps the history locked.</summary>
    private static readonly TimeSpan LastPatience = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan LastInterval = TimeSpan.FromSeconds(1);

    /// <summary>
    /// A large run takes long to write: it is written so much more seldom that this takes a twentieth of the time at most.
    /// </summary>
    private const int WriteShare = 20;

    private readonly IRunHistory store;
    private readonly IBuildObserver observer;
    private readonly TimeProvider time;
    private readonly object gate = new();
    private readonly CancellationTokenSource end = new();
    private readonly SemaphoreSlim noted = new(0);
    private readonly Task<IReadOnlyList<BuilderTrouble>> readingTroubles;
    private readonly Task<Bandwidths> reading;
    private readonly Task writing;
    private readonly LinkHistory links;
    private List<BuildObservation> builds = [];
    private List<TransferObservation> transfers = [];
    private Dictionary<string, BuilderTrouble> troubles = [];
    private volatile bool failed;
    private volatile RecentBuilds? recent;
    private RunRecord? record;
    private RunRecord? written;
    private DateTimeOffset nextRecord;
    private DateTimeOffset nextSign;

    private RunHistory(IRunHistory store, IBuildObserver observer, TimeProvider time)
    {
        this.store = store;
        this.observer = observer;
        this.time = time;
        readingTroubles = Task.Run(() => TryRead(store.Troubles, []));
        reading = readingTroubles.ContinueWith(_ => new Bandwidths(TryRead(store.Transfers, [])), TaskScheduler.Default);
        links = new(reading);
        writing = WriteAsync();
    }

    /// <summary>Begins to read at once, so that the history is open when the run needs it.</summary>
    public static RunHistory Open(
        IRunHistory store, IBuildObserver observer, TimeProvider time, string? logs = null, CancellationToken stopped = default) =>
        new(store, observer, time) { Logs = logs, Stopped = stopped };

    /// <summary>What is believed of these jobs and builders at the beginning of the run.</summary>
    public async Task<RunEstimates> EstimateAsync(JobGraph graph, IEnumerable<NixBuilder> builders)
    {
        var bandwidths = await reading;
        NixBuilder[] farm = [.. builders.DistinctBy(builder => builder.Name)];
        var told = await Task.Run(() => OtherSources.Reports(farm, time.GetUtcNow()));
        var estimator = await Task.Run(() => TryRead(() => Estimator.FromHistory(store, graph, told), new Estimator()));
        return new(graph, [.. farm.Select(builder => bandwidths.ApplyTo(builder.ToFarmBuilder()))], estimator);
    }

    /// <summary>The builds of earlier runs that estimates of these jobs rest on.</summary>
    public IReadOnlyList<BuildObservation> BuildsOf(JobGraph graph) =>
        TryRead(() => store.Builds(PackagePriors.NamesOf(Enumerable.Range(0, graph.Count).Select(job => graph[job]))), []);

    /// <summary>
    /// The load that earlier builds have left on the machine of a builder that is kept for its owner; null: it is not, and whatever load is
    /// there at first is taken for theirs.
    /// </summary>
    public double? LoadLeftOn(NixBuilder builder)
    {
        if (builder.Policy.IdleOnly != true) return null;
        var now = time.GetUtcNow();
        if (recent is not { } read || now - read.At >= WriteInterval)
        {
            recent = read = new(now, TryRead(() => store.BuildsSince(now - OthersLoad.Past), []));
        }
        return OthersLoad.LeftBy(read.Builds.Where(build => build.Builder == builder.Name), now);
    }

    /// <summary>What others know of builds.</summary>
    public OtherSources Others => new(store, TryRead, TryWrite, time);

    /// <summary>The builders of the run that failed not long ago.</summary>
    public Task<IReadOnlyList<BuilderTrouble>> TroublesAsync() => readingTroubles;

    /// <summary>Keeps for later runs that a builder has failed, or is healthy again.</summary>
    public void Note(BuilderTrouble trouble)
    {
        lock (gate) troubles[trouble.Builder] = trouble;
    }

    /// <summary>Keeps a build for later runs.</summary>
    public void Note(BuildObservation build)
    {
        lock (gate) builds.Add(build);
    }

    /// <inheritdoc/>
    public IReadOnlyList<KeptCompile> KeptCompiles(string builder) => TryRead(() => store.KeptCompiles(builder), []);

    /// <inheritdoc/>
    public void Keep(string builder, IReadOnlyCollection<KeptCompile> compiles) => TryWrite(() => store.Keep(builder, compiles));

    /// <inheritdoc/>
    public void Forget(string builder, IReadOnlyCollection<string> paths) => TryWrite(() => store.Forget(builder, paths));

    /// <summary>Keeps a transfer for this run and for later ones.</summary>
    public void Note(TransferObservation transfer)
    {
        if (!links.Learn(transfer)) return;
        lock (gate) transfers.Add(transfer);
    }

    /// <inheritdoc cref="LinkHistory.IsSlow"/>
    public bool HasSlowLink(string builder) => links.IsSlow(builder);

    /// <inheritdoc cref="LinkHistory.Of"/>
    public (double? Download, double? Upload) LinkOf(string builder) => links.Of(builder);

    /// <summary>Whether it is time to note again how a run that goes on stands.</summary>
    public bool WantsRecord
    {
        get
        {
            lock (gate) return record is null && time.GetUtcNow() >= nextRecord;
        }
    }

    /// <summary>
    /// Keeps the run itself: at once when it begins and from time to time, so that one that is killed is known; when it has ended, with the
    /// rest.
    /// </summary>
    public void Note(RunRecord run)
    {
        lock (gate) record = run;
        if (run.State == RunState.Running) noted.Release();
    }

    /// <summary>The folder of all runs' logs; those of runs that are forgotten go. Null: they are none of our business.</summary>
    public string? Logs { get; init; }

    /// <summary>Whoever waits for the end of the run does so no longer: what is locked then is not waited for.</summary>
    public CancellationToken Stopped { get; init; }

    /// <summary>Writes what is left.</summary>
    public async ValueTask DisposeAsync()
    {
        await end.CancelAsync();
        await Task.WhenAll(reading, writing);
        end.Dispose();
        noted.Dispose();
    }

    private async Task WriteAsync()
    {
        using var timer = new PeriodicTimer(WriteInterval, time);
        try
        {
            Task tick = timer.WaitForNextTickAsync(end.Token).AsTask(), note = noted.WaitAsync(end.Token);
            while (!end.IsCancellationRequested)
            {
                var next = await Task.WhenAny(tick, note);
                await next;
                Write(isLast: false);
                if (next == tick) tick = timer.WaitForNextTickAsync(end.Token).AsTask();
                else note = noted.WaitAsync(end.Token);
            }
        }
        catch (OperationCanceledException)
        {
            // The run ends.
        }
        // The run's end may be waited for by a thread that must not write.
        await Task.Run(WriteLastAsync);
    }

    /// <summary>What a run has taught is worth waiting for another program that writes, or looks, for long.</summary>
    private async Task WriteLastAsync()
    {
        var begun = time.GetTimestamp();
        for (var isTold = false; ; isTold = true)
        {
            var isLast = Stopped.IsCancellationRequested || time.GetElapsedTime(begun) >= LastPatience;
            if (Write(isLast, hasEnded: true)) return;
            if (!isTold)
            {
                observer.Degraded("Another program keeps the history locked. This run is recorded when it lets go, within "
                    + $"{LastPatience.TotalSeconds:0} s; Ctrl-C ends the wait.");
            }
            await Task.Delay(LastInterval, time, Stopped).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Writes what has been noted.</summary>
    /// <param name="isLast">There is no other time: what fails is told.</param>
    /// <param name="hasEnded">The run has ended: only a lock is worth waiting for.</param>
    /// <returns>False: it may be different in a moment.</returns>
    private bool Write(bool isLast, bool hasEnded = false)
    {
        if (failed) return true;
        List<BuildObservation> newBuilds;
        List<TransferObservation> newTransfers;
        Dictionary<string, BuilderTrouble> newTroubles;
        RunRecord? newRecord;
        lock (gate)
        {
            (newBuilds, newTransfers, newTroubles, newRecord) = (builds, transfers, troubles, record);
            (builds, transfers, troubles, record) = ([], [], [], null);
            if (newRecord is not null) nextRecord = DateTimeOffset.MaxValue;
            // A run in which nothing happens for hours goes on all the same.
            else if (!hasEnded && time.GetUtcNow() >= nextSign)
            {
                newRecord = written is null ? null : written with { Ended = time.GetUtcNow() };
            }
        }
        try
        {
            // These first: should the rest fail, they may be written again.
            if (newTroubles.Count > 0) store.Add(newTroubles.Values);
            store.Add(newBuilds, newTransfers);
            (newBuilds, newTransfers) = ([], []);
            if (newRecord is not null) Keep(newRecord);
            return true;
        }
        catch (HistoryException e) when (!isLast && (hasEnded ? e.IsLocked : e.Failure == HistoryFailure.Unavailable))
        {
            lock (gate)
            {
                builds.InsertRange(0, newBuilds);
                transfers.InsertRange(0, newTransfers);
                foreach (var trouble in newTroubles.Values) troubles.TryAdd(trouble.Builder, trouble);
                record ??= newRecord;
            }
            return false;
        }
        catch (HistoryException e)
        {
            Fail(e);
            return true;
        }
    }

    private void Keep(RunRecord run)
    {
        var started = time.GetUtcNow();
        store.Add(run);
        var now = time.GetUtcNow();
        lock (gate)
        {
            (written, nextSign) = (run, now + TimeSpan.FromTicks(Math.Max(WriteInterval.Ticks, WriteShare * (now - started).Ticks)));
            // A sign of life does not put off what there is to tell.
            if (nextRecord == DateTimeOffset.MaxValue) nextRecord = nextSign;
        }
        if (Logs is null || run.State == RunState.Running) return;
        var known = store.Runs(new RunFilter()).Select(other => other.RunId).ToHashSet();
        if (known.Contains(run.Id)) LogFolders.Prune(Logs, known, time.GetUtcNow());
    }

    private void TryWrite(Action write)
    {
        if (failed) return;
        try
        {
            write();
        }
        catch (HistoryException e) when (e.IsLocked)
        {
            // What is not known is never looked for, and goes with the garbage.
        }
        catch (HistoryException e)
        {
            Fail(e);
        }
    }

    private bool TryRead(Func<bool> read) => TryRead(read, false);

    private T TryRead<T>(Func<T> read, T otherwise)
    {
        if (failed) return otherwise;
        try
        {
            return read();
        }
        catch (HistoryException e)
        {
            Fail(e);
            return otherwise;
        }
    }

    private void Fail(HistoryException error)
    {
        if (failed) return;
        failed = true;
        observer.Observe(new RunNews.HistoryFailed(error));
    }

    /// <summary>What was built not long ago, as it was read for the first of many builders: nothing newer is written so soon.</summary>
    private sealed record RecentBuilds(DateTimeOffset At, IReadOnlyList<BuildObservation> Builds);
}
