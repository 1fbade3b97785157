using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store;

namespace NixBuildFarm.Protocol.Messages;

/// <summary>Adds a path to the store; its NAR follows in frames.</summary>
internal sealed record AddToStoreNarRequest(PathInfo Info, bool DontCheckSignatures) : IRequest<Done>
{
    public WorkerOperation Operation => WorkerOperation.AddToStoreNar;

    public void Write(WireWriter writer, ProtocolVersion version)
    {
        writer.WriteStorePath(Info.Path);
        PathInfoLayout.Write(writer, Info with { Ultimate = false }); // The store has not built it itself.
        writer.WriteBool(false); // Whether it replaces a path that is valid.
        writer.WriteBool(DontCheckSignatures);
    }

    public ValueTask<Done> ReadReplyAsync(WireReader reader, ProtocolVersion version, CancellationToken cancellation) => Done.Nothing;
}
