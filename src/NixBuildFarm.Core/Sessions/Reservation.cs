using NixBuildFarm.Errors;
using NixBuildFarm.Protocol;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Sessions;

/// <summary>Reserves a connection until it is disposed of.</summary>
/// <param name="pool">Takes it back, or closes it.</param>
/// <param name="use">The purpose of the connection.</param>
/// <param name="opening">The connection, which may still be being opened.</param>
internal sealed class Reservation(SessionPool pool, ChannelUse use, Task<SessionConnection> opening) : IAsyncDisposable
{
    /// <summary>
    /// Whether nobody else may have the connection afterwards: its daemon has settings, or holds roots, that no later user is to have.
    /// </summary>
    public bool IsClosedAfterwards { get; set; }

    /// <summary>
    /// Whether the daemon keeps what it has built for as long as the session lives. A program that opens a connection to it anew for each
    /// request does not.
    /// </summary>
    public bool KeepsRoots =>
        !IsClosedAfterwards && (use == ChannelUse.Build || opening is { IsCompletedSuccessfully: true, Result.IsDaemonSocket: true });

    /// <summary>Whether the connection is of no use any more.</summary>
    public bool IsBroken => opening.IsCompleted && !(opening.IsCompletedSuccessfully && !opening.Result.Daemon.IsBroken);

    /// <summary>Does something over the connection.</summary>
    /// <exception cref="BuilderException">The connection could not be opened.</exception>
    public async Task<T> UseAsync<T>(Func<DaemonConnection, Task<T>> work) => await work((await opening).Daemon);

    /// <summary>Gives it back, as soon as it is open.</summary>
    public async ValueTask DisposeAsync()
    {
        var givingBack = GiveBackAsync();
        if (opening.IsCompleted) await givingBack;
    }

    private async Task GiveBackAsync()
    {
        await ((Task)opening).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!opening.IsCompletedSuccessfully) return;
        if (IsClosedAfterwards) pool.Leave(opening.Result);
        else pool.Return(use, opening);
    }
}
