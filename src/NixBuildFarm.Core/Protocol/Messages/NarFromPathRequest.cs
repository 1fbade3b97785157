using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store;

namespace NixBuildFarm.Protocol.Messages;

/// <summary>The NAR of a path, which follows the reply as it is and ends where a NAR ends.</summary>
internal sealed record NarFromPathRequest(StorePath Path) : IRequest<Done>
{
    public WorkerOperation Operation => WorkerOperation.NarFromPath;

    public void Write(WireWriter writer, ProtocolVersion version) => writer.WriteStorePath(Path);

    public ValueTask<Done> ReadReplyAsync(WireReader reader, ProtocolVersion version, CancellationToken cancellation) => Done.Nothing;
}
