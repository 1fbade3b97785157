using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store;

namespace NixBuildFarm.Protocol.Messages;

/// <summary>Keeps a path from being collected for as long as the connection lasts.</summary>
internal sealed record AddTempRootRequest(StorePath Path) : IRequest<Done>
{
    public WorkerOperation Operation => WorkerOperation.AddTempRoot;

    public void Write(WireWriter writer, ProtocolVersion version) => writer.WriteStorePath(Path);

    public ValueTask<Done> ReadReplyAsync(WireReader reader, ProtocolVersion version, CancellationToken cancellation) =>
        Done.ReadAsync(reader, cancellation);
}
