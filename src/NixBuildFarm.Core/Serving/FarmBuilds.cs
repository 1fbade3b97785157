using System.Collections.Concurrent;
using NixBuildFarm.Builders.Policies;
using NixBuildFarm.History;
using NixBuildFarm.Observing;
using NixBuildFarm.Reporting.Events;
using NixBuildFarm.Running;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Serving;

/// <summary>Builds all orders on the farm: those of one time share a run.</summary>
internal sealed class FarmBuilds : IBuildService, IAsyncDisposable
{
    private readonly ConcurrentDictionary<string, CancellationTokenSource> orders = new();
    private readonly Func<FarmRun> begin;
    private readonly TimeProvider time;
    private readonly IBuildObserver observer;
    private readonly object gate = new();
    private FarmRun? run;
    private int open;
    private int ends;

    /// <summary>Makes it; builders are connected when something is to be built.</summary>
    /// <param name="request">The builders, and how the owner of the farm wants things built.</param>
    /// <param name="transports">How builders are reached.</param>
    /// <param name="history">What earlier runs have taught, and what these teach.</param>
    /// <param name="observer">Is told what concerns no order in particular.</param>
    /// <param name="time">The clock; null: the machine's.</param>
    public FarmBuilds(
        BuildRequest request, IBuilderTransportFactory transports, IRunHistory history, IBuildObserver observer, TimeProvider? time = null)
    {
        this.time = time ?? TimeProvider.System;
        this.observer = observer;
        var own = request with
        {
            // The local daemon, which answers clients then, is to find all that they ask for.
            CopyBack = request.CopyBack == CopyBack.None ? CopyBack.Requested : request.CopyBack,
            IsCopyBackGiven = true,
        };
        begin = () => new(own, transports, history, observer, this.time);
    }

    /// <summary>
    /// How long a run waits for more when its last order has ended, so that the commands of a script need not connect each anew.
    /// </summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>Where each run is told for Watch-NixBuild; null: it is not.</summary>
    public string? WatchFolder { get; init; }

    /// <inheritdoc/>
    public IReadOnlyList<string> Runs => [.. orders.Keys.Order(StringComparer.Ordinal)];

    /// <inheritdoc/>
    public BuildTicket Begin(BuildOrder order, IBuildObserver client, CancellationToken cancellation)
    {
        var id = BuildRun.NewId(time);
        return new(id, BuildAsync(order, id, client, cancellation));
    }

    /// <inheritdoc/>
    public bool Stop(string runId)
    {
        if (!orders.TryGetValue(runId, out var stop)) return false;
        stop.Cancel();
        return true;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        FarmRun? last;
        lock (gate) (last, run) = (run, null);
        if (last is not null) await last.DisposeAsync();
    }

    private async Task<IReadOnlyList<NixBuildResult>> BuildAsync(
        BuildOrder order, string id, IBuildObserver client, CancellationToken cancellation)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        orders[id] = stop;
        using var watched = WatchFolder is null ? null : new WatchFile(WatchFolder, NoteUnwatched);
        if (watched is not null) client = new CombinedObserver(watched, client);
        var joined = Join();
        try
        {
            return await Task.Run(() => joined.BuildAsync(order, id, client, stop.Token), CancellationToken.None);
        }
        finally
        {
            orders.TryRemove(id, out _);
            Leave(joined);
        }
    }

    private void NoteUnwatched(Exception error) => observer.Decided($"A run cannot be watched: {error.Message}");

    private FarmRun Join()
    {
        lock (gate)
        {
            open++;
            return run is { HasEnded: false } ? run : run = begin();
        }
    }

    private void Leave(FarmRun left)
    {
        int end;
        lock (gate)
        {
            if (--open > 0) return;
            end = ++ends;
        }
        _ = EndAsync(left, end);
    }

    private async Task EndAsync(FarmRun left, int end)
    {
        await Task.Delay(Patience, time);
        lock (gate)
        {
            if (open > 0 || ends != end || run != left) return;
            run = null;
        }
        await left.DisposeAsync();
    }
}
