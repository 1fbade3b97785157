using System.Net.Sockets;
using NixBuildFarm.Errors;
using NixBuildFarm.Platform;

namespace NixBuildFarm.Serving;

/// <summary>Takes clients on a Unix socket, each on a task of its own, until it is disposed of; then it waits for all of them.</summary>
/// <param name="path">The socket.</param>
/// <param name="mode">Who may connect.</param>
/// <param name="serveAsync">Serves a client until it goes away, or the token says so. Errors are its own affair.</param>
/// <param name="note">Takes what is worth a line in a log.</param>
internal sealed class UnixListener(
    string path, UnixFileMode mode, Func<NetworkStream, SocketPeer, CancellationToken, Task> serveAsync,
    Action<string> note) : IAsyncDisposable
{
    /// <summary>As many as the local daemon lets wait.</summary>
    private const int Backlog = 100;

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(100);

    private readonly Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly CancellationTokenSource closing = new();
    private readonly object gate = new();
    private readonly HashSet<Task> sessions = [];
    private Task accepting = Task.CompletedTask;

    /// <summary>How many clients are connected.</summary>
    public int Clients
    {
        get
        {
            lock (gate) return sessions.Count;
        }
    }

    /// <summary>Begins to take clients.</summary>
    /// <exception cref="NixBuildFarmException">The socket cannot be made.</exception>
    public void Start()
    {
        try
        {
            listener.Bind(new UnixDomainSocketEndPoint(path));
            File.SetUnixFileMode(path, mode);
            listener.Listen(Backlog);
        }
        catch (Exception e) when (e is SocketException or IOException or ArgumentOutOfRangeException)
        {
            throw new NixBuildFarmException(
                "SocketNotMade", $"The socket {path} cannot be made: {e.Message}",
                "See whether its folder can be written to, and its path is shorter than 108 bytes.", e);
        }
        accepting = AcceptAsync();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await closing.CancelAsync();
        listener.Dispose();
        await accepting;
        Task[] open;
        lock (gate) open = [.. sessions];
        await Task.WhenAll(open);
        closing.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!closing.IsCancellationRequested)
        {
            try
            {
                Begin(await listener.AcceptAsync(closing.Token));
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
            catch (SocketException e) when (!closing.IsCancellationRequested)
            {
                // One client that could not be let in, e.g. for want of file handles, is not the end of the others.
                note($"A client could not be let in: {e.Message}");
                await Task.Delay(Pause);
            }
            catch (SocketException)
            {
                return;
            }
        }
    }

    private void Begin(Socket client)
    {
        lock (gate)
        {
            var session = Task.Run(() => ServeAsync(client));
            sessions.Add(session);
            _ = session.ContinueWith(
                ended =>
                {
                    lock (gate) sessions.Remove(ended);
                },
                TaskScheduler.Default);
        }
    }

    private async Task ServeAsync(Socket client)
    {
        await using var stream = new NetworkStream(client, ownsSocket: true);
        try
        {
            await serveAsync(stream, SocketPeer.Of(client), closing.Token);
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or SocketException or ObjectDisposedException)
        {
            // The client, or the farm, has gone away.
        }
    }
}
