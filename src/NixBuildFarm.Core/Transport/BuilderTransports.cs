using NixBuildFarm.Builders;

namespace NixBuildFarm.Transport;

/// <summary>Makes transports for all builders: the local one speaks to its daemon, the others are left to another factory.</summary>
public sealed class BuilderTransports(IBuilderTransportFactory remote) : IBuilderTransportFactory
{
    /// <inheritdoc/>
    public IBuilderTransport Create(NixBuilder builder, TransportOptions options) =>
        builder.IsLocal ? new LocalTransport()
        : builder.Policy.MaxUpload is { } limit ? new UploadLimit(remote.Create(builder, options), limit, TimeProvider.System)
        : remote.Create(builder, options);
}
