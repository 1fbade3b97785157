using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store;

namespace NixBuildFarm.Protocol.Messages;

/// <summary>Substitutes a path that is not valid.</summary>
internal sealed record EnsurePathRequest(StorePath Path) : IRequest<Done>
{
    public WorkerOperation Operation => WorkerOperation.EnsurePath;

    public void Write(WireWriter writer, ProtocolVersion version) => writer.WriteStorePath(Path);

    public ValueTask<Done> ReadReplyAsync(WireReader reader, ProtocolVersion version, CancellationToken cancellation) =>
        Done.ReadAsync(reader, cancellation);
}
