using System.Net.Sockets;
using NixBuildFarm.Errors;
using NixBuildFarm.Platform;
using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Serving;

/// <summary>
/// A Nix daemon to every Nix client that has <c>NIX_REMOTE=unix://SOCKET</c>: what clients ask to build is built on the farm, and
/// everything else is the local daemon's.
/// </summary>
internal sealed class Front : IAsyncDisposable
{
    private const UnixFileMode Own = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode All =
        Own | UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;

    private readonly IBuilderTransport local;
    private readonly IBuildService builds;
    private readonly IReadOnlySet<uint> guests;
    private readonly Action<string> note;
    private readonly UnixListener listener;

    /// <summary>Makes a front; nobody can connect yet.</summary>
    /// <param name="socket">Where clients connect.</param>
    /// <param name="local">Reaches the local daemon.</param>
    /// <param name="builds">Builds on the farm.</param>
    /// <param name="guests">The ids of other users who are let in, without the rights of this one.</param>
    /// <param name="note">Takes what is worth a line in a log: clients that were refused, or broke the protocol.</param>
    public Front(string socket, IBuilderTransport local, IBuildService builds, IReadOnlySet<uint> guests, Action<string> note)
    {
        (this.local, this.builds, this.guests, this.note) = (local, builds, guests, note);
        // The kernel says who connects; the mode is the second lock.
        listener = new(socket, guests.Count > 0 ? All : Own, ServeAsync, note);
    }

    /// <summary>How many clients are connected.</summary>
    public int Clients => listener.Clients;

    /// <summary>Begins to take clients.</summary>
    /// <exception cref="NixBuildFarmException">The socket cannot be made.</exception>
    public void Start() => listener.Start();

    /// <summary>Ends the sessions of all clients, with what is built for them.</summary>
    public ValueTask DisposeAsync() => listener.DisposeAsync();

    private async Task ServeAsync(NetworkStream client, SocketPeer peer, CancellationToken cancellation)
    {
        var isTrusted = peer.IsThisUser || peer.IsRoot;
        if (!isTrusted && !guests.Contains(peer.User))
        {
            note($"A client of the user with the id {peer.User} was refused: only those are let in whom -AllowUser names.");
            return;
        }
        try
        {
            await using var session = new ClientSession(client, local, new AskedBuilds(builds, Asker.Of(peer)), isTrusted);
            await session.ServeAsync(cancellation);
        }
        catch (Exception e) when (e is WireException or NixBuildFarmException)
        {
            note($"The session of a client has ended: {e.Message}");
        }
    }
}
