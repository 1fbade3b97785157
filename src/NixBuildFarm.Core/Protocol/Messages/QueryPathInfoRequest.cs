using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store;

namespace NixBuildFarm.Protocol.Messages;

/// <summary>Asks for the store's information on a path; null where it is not valid.</summary>
internal sealed record QueryPathInfoRequest(StorePath Path) : IRequest<PathInfo?>
{
    public WorkerOperation Operation => WorkerOperation.QueryPathInfo;

    public void Write(WireWriter writer, ProtocolVersion version) => writer.WriteStorePath(Path);

    public async ValueTask<PathInfo?> ReadReplyAsync(WireReader reader, ProtocolVersion version, CancellationToken cancellation) =>
        await reader.ReadBoolAsync(cancellation) ? await PathInfoLayout.ReadAsync(reader, Path, cancellation) : null;
}
