using NixBuildFarm.Builders;
using NixBuildFarm.Ssh.Channels;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Ssh.Connection;

/// <summary>Reaches a builder with SSH.NET.</summary>
internal sealed class SshNetTransport : IBuilderTransport
{
    private readonly NixBuilder builder;
    private readonly ConnectionPool builds;
    private readonly ConnectionPool bulk;

    /// <summary>Makes the transport; nothing is connected yet.</summary>
    /// <param name="target">The builder.</param>
    /// <param name="kept">Idle connections of earlier transports, and where ours go in the end; null: neither.</param>
    public SshNetTransport(SshTarget target, IdleConnections? kept)
    {
        builder = target.Builder;
        builds = new ConnectionPool(target, target.Options.ChannelsPerConnection, kept);
        bulk = new ConnectionPool(target, channelsPerConnection: 1);
    }

    /// <inheritdoc/>
    public async Task<IBuilderChannel> OpenAsync(ChannelUse use, CancellationToken cancellation) =>
        await (use == ChannelUse.Bulk ? bulk : builds).OpenAsync(RemoteCommand.For(builder, use), cancellation);

    /// <inheritdoc/>
    public async Task<IBuilderChannel> OpenAsync(StoreProgram program, CancellationToken cancellation) =>
        await bulk.OpenAsync(RemoteCommand.For(program), cancellation);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync() => await Task.WhenAll(builds.DisposeAsync().AsTask(), bulk.DisposeAsync().AsTask());
}
