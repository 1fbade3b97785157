using NixBuildFarm.Errors;
using NixBuildFarm.Protocol;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Sessions;

/// <summary>A connection that is nobody else's until this is disposed of.</summary>
/// <param name="pool">Takes it back, or closes it.</param>
/// <param name="use">What it is for.</param>
/// <param name="opening">The connection, which may still be being opened.</param>
internal sealed class Reservation(SessionPool pool, ChannelUse use, Task<SessionConnection> opening) : IAsyncDisposable
{
    /// <summary>
    /// Whether nobody else may have the connection afterwards: its daemon has settings, or holds roots, that no later user is to have.
    /// </summary>
    public bool IsClosedAfterwards { get; set; }

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
