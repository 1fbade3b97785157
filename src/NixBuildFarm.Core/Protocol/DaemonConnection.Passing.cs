using NixBuildFarm.Protocol.Wire;

namespace NixBuildFarm.Protocol;

// Requests that another client makes over this connection.
internal sealed partial class DaemonConnection
{
    /// <summary>
    /// Lends both directions of the connection for one request, which is passed on as it is. What it throws breaks the connection.
    /// </summary>
    /// <param name="passAsync">Takes what the daemon says, and the stream to it; leaves neither in the middle of a message.</param>
    /// <param name="cancellation">Closes the connection.</param>
    public Task<TResult> PassAsync<TResult>(
        Func<WireReader, Stream, CancellationToken, Task<TResult>> passAsync, CancellationToken cancellation) =>
        ExclusiveAsync(token => passAsync(reader, wire, token), cancellation);
}
