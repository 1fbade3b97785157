using System.Net.Sockets;
using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Observing;
using NixBuildFarm.Platform;
using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Running;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Serving;

/// <summary>
/// A Nix daemon to every Nix client that has <c>NIX_REMOTE=unix://SOCKET</c>: what clients ask to build is built on the farm, and everything else
/// is the local daemon's.
/// </summary>
public sealed class Front : IAsyncDisposable
{
    /// <summary>As many as the local daemon lets wait.</summary>
    private const int Backlog = 100;

    private readonly FrontFolder folder;
    private readonly IBuilderTransport local;
    private readonly IBuildService builds;
    private readonly Action<string> note;
    private readonly Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly CancellationTokenSource closing = new();
    private readonly object gate = new();
    private readonly HashSet<Task> sessions = [];
    private IReadOnlySet<uint> guests = new HashSet<uint>();
    private Task accepting = Task.CompletedTask;

    /// <summary>Makes a front that lasts as long as this process at most; nobody can connect yet.</summary>
    /// <param name="request">The builders, and how the owner wants things built; what is built clients say.</param>
    /// <param name="transports">How builders are reached, the local one too.</param>
    /// <param name="history">What earlier runs have taught, and what these teach; the caller disposes of it.</param>
    /// <param name="observer">Is told what happens in all runs.</param>
    public Front(BuildRequest request, IBuilderTransportFactory transports, IRunHistory history, IBuildObserver observer)
        : this(
            FrontFolder.Temporary(),
            transports.Create(NixBuilder.LocalStore, new()),
            new FarmBuilds(request, transports, history, observer),
            observer.Decided)
    {
    }

    /// <summary>Makes a front; nobody can connect yet.</summary>
    /// <param name="folder">Where its socket lies.</param>
    /// <param name="local">Reaches the local daemon.</param>
    /// <param name="builds">Builds on the farm.</param>
    /// <param name="note">Takes what is worth a line in a log: clients that were refused, or broke the protocol.</param>
    internal Front(FrontFolder folder, IBuilderTransport local, IBuildService builds, Action<string> note) =>
        (this.folder, this.local, this.builds, this.note) = (folder, local, builds, note);

    /// <summary>What clients give as <c>NIX_REMOTE</c>.</summary>
    public string Address => $"unix://{folder.Socket}";

    /// <summary>Begins to take clients.</summary>
    /// <exception cref="NixBuildFarmException">The socket cannot be made.</exception>
    public void Start()
    {
        folder.Prepare(DaemonSocket.Path);
        try
        {
            listener.Bind(new UnixDomainSocketEndPoint(folder.Socket));
            File.SetUnixFileMode(folder.Socket, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            listener.Listen(Backlog);
        }
        catch (Exception e) when (e is SocketException or IOException or ArgumentOutOfRangeException)
        {
            throw new NixBuildFarmException("FrontNotStarted", $"The socket {folder.Socket} cannot be made: {e.Message}", "See whether its folder can be written to, and its path is short enough.", e);
        }
        accepting = AcceptAsync();
    }

    /// <summary>Ends the sessions of all clients, with what is built for them, and takes the socket away.</summary>
    public async ValueTask DisposeAsync()
    {
        await closing.CancelAsync();
        listener.Dispose();
        await accepting;
        Task[] open;
        lock (gate) open = [.. sessions];
        await Task.WhenAll(open);
        folder.Remove();
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
            catch (SocketException e)
            {
                // One client that could not be let in, e.g. for want of file handles, is not the end of the others.
                note($"A client could not be let in: {e.Message}");
                await Task.Delay(TimeSpan.FromMilliseconds(100));
            }
        }
    }

    private void Begin(Socket client)
    {
        var session = Task.Run(() => ServeAsync(client));
        lock (gate) sessions.Add(session);
        session.ContinueWith(
            ended =>
            {
                lock (gate) sessions.Remove(ended);
            },
            TaskScheduler.Default);
    }

    private async Task ServeAsync(Socket client)
    {
        try
        {
            var peer = SocketPeer.Of(client);
            var isTrusted = peer.IsThisUser || peer.IsRoot;
            if (!isTrusted && !guests.Contains(peer.User))
            {
                client.Dispose();
                note($"A client of the user with the id {peer.User} was refused: only those are let in whom -AllowUser names.");
                return;
            }
            await using var session = new ClientSession(new NetworkStream(client, ownsSocket: true), local, builds, isTrusted);
            await session.ServeAsync(closing.Token);
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or SocketException or ObjectDisposedException)
        {
            // The client, or the front, has gone away.
        }
        catch (Exception e) when (e is WireException or NixBuildFarmException)
        {
            note($"The session of a client has ended: {e.Message}");
        }
    }
}
