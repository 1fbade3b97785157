using NixBuildFarm.Observing;
using NixBuildFarm.Sessions;
using NixBuildFarm.Store;

namespace NixBuildFarm.Supplying;

/// <summary>Tells an observer of the copies of one stream. What has not arrived when it is disposed of has failed.</summary>
/// <param name="observer">Is told.</param>
/// <param name="to">Where the paths go.</param>
/// <param name="wantedBy">The derivation that needs them there; null: none in particular.</param>
/// <param name="paths">How many they are.</param>
internal sealed class ShipmentNews(IBuildObserver observer, BuilderSession to, StorePath? wantedBy, int paths) : IDisposable
{
    /// <summary>Fewer bytes are not worth a message of their own.</summary>
    private const long Step = 1 << 20;

    private static long lastId;

    private readonly long shipment = Interlocked.Increment(ref lastId);
    private readonly object gate = new();
    private readonly Dictionary<StorePath, RunningCopy> underWay = [];
    private int left = paths;
    private StorePath? current;
    private long unsaid;

    /// <summary>A path begins to be sent, after those before it have been sent.</summary>
    public void Begin(Parcel parcel)
    {
        lock (gate)
        {
            left--;
            current = parcel.Info.Path;
            Keep(current, new(Interlocked.Increment(ref lastId), current.ToString(), UriOf(parcel.From), UriOf(to))
            {
                Bytes = parcel.Info.NarSize,
                DerivationPath = wantedBy?.ToString(),
                Shipment = shipment,
            });
        }
    }

    /// <summary>A piece of the last path that has begun was sent.</summary>
    public void Sent(int bytes)
    {
        lock (gate)
        {
            unsaid += bytes;
            if (unsaid < Step || current is null || !underWay.TryGetValue(current, out var copy)) return;
            Keep(current, copy with { Sent = copy.Sent + unsaid });
        }
    }

    /// <summary>A path has arrived.</summary>
    public void Arrive(Parcel parcel)
    {
        lock (gate)
        {
            if (underWay.Remove(parcel.Info.Path, out var copy)) Tell(copy with { State = CopyState.Arrived, Sent = copy.Bytes });
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (gate)
        {
            foreach (var copy in underWay.Values) Tell(copy with { State = CopyState.Failed });
            underWay.Clear();
        }
    }

    private void Keep(StorePath path, RunningCopy copy)
    {
        underWay[path] = copy;
        unsaid = 0;
        Tell(copy);
    }

    private void Tell(RunningCopy copy) =>
        observer.Observe(new RunNews.Copying(copy with { Following = copy.State == CopyState.Failed ? 0 : left }));

    private static string UriOf(BuilderSession store) => store.Builder.IsLocal ? "local" : store.Builder.Uri;
}
