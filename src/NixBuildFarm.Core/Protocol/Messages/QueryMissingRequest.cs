using NixBuildFarm.Protocol.Wire;

namespace NixBuildFarm.Protocol.Messages;

/// <summary>Asks what would have to be built and fetched for these.</summary>
internal sealed record QueryMissingRequest(IReadOnlyCollection<DerivedPath> Paths) : IRequest<MissingPaths>
{
    public WorkerOperation Operation => WorkerOperation.QueryMissing;

    public void Write(WireWriter writer, ProtocolVersion version) => DerivedPathLayout.Write(writer, Paths);

    public async ValueTask<MissingPaths> ReadReplyAsync(WireReader reader, ProtocolVersion version, CancellationToken cancellation) => new(
        WillBuild: await reader.ReadStorePathSetAsync(cancellation),
        WillSubstitute: await reader.ReadStorePathSetAsync(cancellation),
        Unknown: await reader.ReadStorePathSetAsync(cancellation),
        DownloadSize: await reader.ReadInt64Async(cancellation),
        NarSize: await reader.ReadInt64Async(cancellation));
}
