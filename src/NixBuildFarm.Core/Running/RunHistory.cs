using NixBuildFarm.Builders;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Running;

/// <summary>
/// The history as one run uses it: read when the run begins, written beside it and when it ends. What goes wrong with it costs the run
/// nothing; it is told once, and the run goes on without.
/// </summary>
internal sealed class RunHistory : IAsyncDisposable
{
    /// <summary>A run that is killed loses what it has seen in this time.</summary>
    private static readonly TimeSpan WriteInterval = TimeSpan.FromSeconds(5);

    /// <summary>How long the end of a run waits for another program that keeps the history locked.</summary>
    private static readonly TimeSpan LastPatience = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan LastInterval = TimeSpan.FromSeconds(1);

    private readonly IRunHistory store;
    private readonly IBuildObserver observer;
    private readonly TimeProvider time;
    private readonly object gate = new();
    private readonly CancellationTokenSource end = new();
    private readonly Task<IReadOnlyList<BuilderTrouble>> readingTroubles;
    private readonly Task<Bandwidths> reading;
    private readonly Task writing;
    private readonly HashSet<string> compressed = [];
    private List<BuildObservation> builds = [];
    private List<TransferObservation> transfers = [];
    private Dictionary<string, BuilderTrouble> troubles = [];
    private volatile bool failed;
    private RunRecord? record;

    private RunHistory(IRunHistory store, IBuildObserver observer, TimeProvider time)
    {
        this.store = store;
        this.observer = observer;
        this.time = time;
        readingTroubles = Task.Run(() => TryRead(store.Troubles, []));
        reading = readingTroubles.ContinueWith(_ => new Bandwidths(TryRead(store.Transfers, [])), TaskScheduler.Default);
        writing = WriteAsync();
    }

    /// <summary>Begins to read at once, so that the history is open when the run needs it.</summary>
    public static RunHistory Open(IRunHistory store, IBuildObserver observer, TimeProvider time, string? logs = null, CancellationToken stopped = default) =>
        new(store, observer, time) { Logs = logs, Stopped = stopped };

    /// <summary>What is believed of these jobs and builders at the beginning of the run.</summary>
    public async Task<RunEstimates> EstimateAsync(JobGraph graph, IEnumerable<NixBuilder> builders)
    {
        var bandwidths = await reading;
        var estimator = await Task.Run(() => TryRead(() => Estimator.FromHistory(store, graph), new Estimator()));
        return new(graph, [.. builders.DistinctBy(builder => builder.Name).Select(builder => bandwidths.ApplyTo(builder.ToFarmBuilder()))], estimator);
    }

    /// <summary>The builders of the run that made trouble not long ago.</summary>
    public Task<IReadOnlyList<BuilderTrouble>> TroublesAsync() => readingTroubles;

    /// <summary>Keeps for later runs what trouble a builder makes, or that it makes none any more.</summary>
    public void Note(BuilderTrouble trouble)
    {
        lock (gate) troubles[trouble.Builder] = trouble;
    }

    /// <summary>Keeps a build for later runs.</summary>
    public void Note(BuildObservation build)
    {
        lock (gate) builds.Add(build);
    }

    /// <summary>
    /// Keeps a transfer for this run and for later ones. Not one that is compressed because the link is slow: it would seem faster than it is,
    /// and the next would not be compressed.
    /// </summary>
    public void Note(TransferObservation transfer)
    {
        lock (gate)
        {
            if (compressed.Contains(transfer.Builder)) return;
            transfers.Add(transfer);
        }
        if (reading.IsCompletedSuccessfully) reading.Result.Learn(transfer);
    }

    /// <summary>Whether the link to a builder is known to be so slow that compressing pays. Who asks compresses from then on.</summary>
    public bool HasSlowLink(string builder)
    {
        var isSlow = reading.IsCompletedSuccessfully && reading.Result.IsSlow(builder);
        if (!isSlow) return false;
        lock (gate) compressed.Add(builder);
        return true;
    }

    /// <summary>A builder with what is known by now of its link.</summary>
    public FarmBuilder WithBandwidth(FarmBuilder builder) => reading.IsCompletedSuccessfully ? reading.Result.ApplyTo(builder) : builder;

    /// <summary>Keeps the run itself; it has ended.</summary>
    public void Note(RunRecord run) => record = run;

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
    }

    private async Task WriteAsync()
    {
        using var timer = new PeriodicTimer(WriteInterval, time);
        try
        {
            while (await timer.WaitForNextTickAsync(end.Token)) Write(isLast: false);
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
            if (Write(isLast, withRecord: true)) return;
            if (!isTold) observer.Degraded($"Another program keeps the history locked. This run is recorded when it lets go, within {LastPatience.TotalSeconds:0} s; Ctrl-C ends the wait.");
            await Task.Delay(LastInterval, time, Stopped).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Writes what has been noted.</summary>
    /// <param name="isLast">There is no other time: what fails is told.</param>
    /// <param name="withRecord">The run has ended: its record, too.</param>
    /// <returns>False: it may be different in a moment.</returns>
    private bool Write(bool isLast, bool withRecord = false)
    {
        if (failed) return true;
        List<BuildObservation> newBuilds;
        List<TransferObservation> newTransfers;
        Dictionary<string, BuilderTrouble> newTroubles;
        lock (gate)
        {
            (newBuilds, newTransfers, newTroubles) = (builds, transfers, troubles);
            (builds, transfers, troubles) = ([], [], []);
        }
        try
        {
            // These first: should the rest fail, they may be written again.
            if (newTroubles.Count > 0) store.Add(newTroubles.Values);
            store.Add(newBuilds, newTransfers);
            (newBuilds, newTransfers) = ([], []);
            if (withRecord && record is not null) Keep(record);
            return true;
        }
        catch (HistoryException e) when (!isLast && (withRecord ? e.IsLocked : e.Failure == HistoryFailure.Unavailable))
        {
            lock (gate)
            {
                builds.InsertRange(0, newBuilds);
                transfers.InsertRange(0, newTransfers);
                foreach (var trouble in newTroubles.Values) troubles.TryAdd(trouble.Builder, trouble);
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
        store.Add(run);
        if (Logs is null) return;
        var known = store.Runs(new RunFilter()).Select(other => other.Id).ToHashSet();
        if (known.Contains(run.Id)) LogFolders.Prune(Logs, known, time.GetUtcNow());
    }

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
        observer.HistoryFailed(error);
    }
}
