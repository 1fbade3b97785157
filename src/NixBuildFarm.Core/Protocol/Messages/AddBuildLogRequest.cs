using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store;

namespace NixBuildFarm.Protocol.Messages;

/// <summary>Keeps the log of a build; the log follows in frames.</summary>
internal sealed record AddBuildLogRequest(StorePath Derivation) : IRequest<Done>
{
    public WorkerOperation Operation => WorkerOperation.AddBuildLog;

    public void Write(WireWriter writer, ProtocolVersion version) => writer.WriteString(Derivation.BaseName);

    public ValueTask<Done> ReadReplyAsync(WireReader reader, ProtocolVersion version, CancellationToken cancellation) =>
        Done.ReadAsync(reader, cancellation);
}
