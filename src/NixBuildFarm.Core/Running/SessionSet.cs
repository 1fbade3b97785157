using NixBuildFarm.Builders;
using NixBuildFarm.Protocol;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Running;

/// <summary>The sessions of a run, closed together when it ends, however it ends.</summary>
internal sealed class SessionSet(IBuilderTransportFactory transports, TransportOptions options) : IAsyncDisposable
{
    private readonly object gate = new();
    private readonly List<IAsyncDisposable> open = [];

    /// <summary>Opens a session.</summary>
    /// <exception cref="BuilderException">The builder cannot be reached or used.</exception>
    public async Task<BuilderSession> OpenAsync(NixBuilder builder, DaemonOptions daemonOptions, CancellationToken cancellation)
    {
        var transport = transports.Create(builder, options);
        lock (gate) open.Add(transport);
        var session = await BuilderSession.OpenAsync(builder, transport, daemonOptions, cancellation);
        lock (gate) open.Add(session);
        return session;
    }

    /// <summary>Closes all of them at once.</summary>
    public async ValueTask DisposeAsync()
    {
        IAsyncDisposable[] closing;
        lock (gate) closing = [.. open];
        await Task.WhenAll(closing.OfType<BuilderSession>().Select(session => session.DisposeAsync().AsTask()));
        await Task.WhenAll(closing.OfType<IBuilderTransport>().Select(transport => transport.DisposeAsync().AsTask()));
    }
}
