using System.Threading.Channels;
using NixBuildFarm.Errors;
using NixBuildFarm.Sessions;
using NixBuildFarm.Store;

namespace NixBuildFarm.Supplying;

/// <summary>NARs from several builders for one list of paths: a feed for each builder.</summary>
internal sealed class NarFeeds : IAsyncDisposable
{
    private readonly CancellationTokenSource stop;
    private readonly Dictionary<BuilderSession, NarFeed> feeds;

    /// <summary>Asks every builder for all that it is to give.</summary>
    /// <param name="parcels">The paths in the order in which they are sent, each with its holder.</param>
    /// <param name="cancellation">Ends all feeds.</param>
    public NarFeeds(IEnumerable<Parcel> parcels, CancellationToken cancellation)
    {
        stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        feeds = parcels.GroupBy(parcel => parcel.From).ToDictionary(
            group => group.Key, group => new NarFeed(group.Key, [.. group.Select(parcel => parcel.Info)], stop.Token));
    }

    /// <summary>The NARs of one builder.</summary>
    public NarFeed this[BuilderSession from] => feeds[from];

    /// <summary>Ends the feeds; one from which not all was taken loses its connection.</summary>
    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        await Task.WhenAll(feeds.Values.Select(feed => feed.EndedAsync()));
        stop.Dispose();
    }
}

/// <summary>
/// The NARs of one builder, requested all at once and read one after the other. Unread ones wait at the builder: only the buffers of the
/// connection are in memory.
/// </summary>
internal sealed class NarFeed
{
    private readonly Channel<Taking> takings = Channel.CreateUnbounded<Taking>(new() { SingleReader = true, SingleWriter = true });
    private readonly Task reading;

    /// <summary>Asks for the NARs.</summary>
    public NarFeed(BuilderSession from, IReadOnlyList<PathInfo> paths, CancellationToken cancellation) =>
        reading = ReadAsync(from, paths, cancellation);

    /// <summary>Copies the next NAR.</summary>
    /// <exception cref="NixBuildFarmException">The builder cannot give it.</exception>
    public async Task TakeAsync(Stream destination)
    {
        var taking = new Taking(destination);
        takings.Writer.TryWrite(taking);
        // A lost builder ends the reading, and nobody handles the rest.
        await await Task.WhenAny(taking.Done.Task, reading);
    }

    /// <summary>Waits until the connection is no longer used.</summary>
    public Task EndedAsync() => Task.WhenAny(reading);

    private async Task ReadAsync(BuilderSession from, IReadOnlyList<PathInfo> infos, CancellationToken cancellation)
    {
        StorePath[] paths = [.. infos.Select(info => info.Path)];
        if (await LocalNar.CanReadAsync(from, paths, cancellation))
        {
            foreach (var info in infos) await GiveAsync(nar => LocalNar.WriteAsync(from, info, nar, cancellation), cancellation);
            return;
        }
        await from.UseForNarsAsync(
            infos.Sum(info => info.NarSize),
            daemon => daemon.CopyNarsAsync(paths, (_, copyTo) => GiveAsync(copyTo, cancellation), cancellation),
            cancellation);
    }

    private async Task GiveAsync(Func<Stream, Task> copyTo, CancellationToken cancellation)
    {
        var taking = await takings.Reader.ReadAsync(cancellation);
        try
        {
            await copyTo(taking.Destination);
            taking.Done.SetResult();
        }
        catch (Exception e)
        {
            taking.Done.SetException(e);
            throw;
        }
    }

    private sealed class Taking(Stream destination)
    {
        public Stream Destination { get; } = destination;

        public TaskCompletionSource Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
