using NixBuildFarm.Protocol.Wire;

namespace NixBuildFarm.Protocol.Messages;

/// <summary>Adds paths to the store; their number, and each path's info and NAR, follow in frames.</summary>
internal sealed record AddMultipleToStoreRequest(bool Repair, bool DontCheckSignatures) : IRequest<Done>
{
    public WorkerOperation Operation => WorkerOperation.AddMultipleToStore;

    public void Write(WireWriter writer, ProtocolVersion version)
    {
        writer.WriteBool(Repair);
        writer.WriteBool(DontCheckSignatures);
    }

    public ValueTask<Done> ReadReplyAsync(WireReader reader, ProtocolVersion version, CancellationToken cancellation) => Done.Nothing;
}
