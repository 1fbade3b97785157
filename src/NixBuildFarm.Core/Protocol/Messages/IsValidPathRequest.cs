using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store;

namespace NixBuildFarm.Protocol.Messages;

/// <summary>Whether a path is valid.</summary>
internal sealed record IsValidPathRequest(StorePath Path) : IRequest<bool>
{
    public WorkerOperation Operation => WorkerOperation.IsValidPath;

    public void Write(WireWriter writer, ProtocolVersion version) => writer.WriteStorePath(Path);

    public ValueTask<bool> ReadReplyAsync(WireReader reader, ProtocolVersion version, CancellationToken cancellation) =>
        reader.ReadBoolAsync(cancellation);
}
