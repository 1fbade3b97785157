using NixBuildFarm.Protocol.Wire;

namespace NixBuildFarm.Protocol.Messages;

/// <summary>Registers a symbolic link as a root of the garbage collector.</summary>
internal sealed record AddIndirectRootRequest(string Link) : IRequest<Done>
{
    public WorkerOperation Operation => WorkerOperation.AddIndirectRoot;

    public void Write(WireWriter writer, ProtocolVersion version) => writer.WriteString(Link);

    public ValueTask<Done> ReadReplyAsync(WireReader reader, ProtocolVersion version, CancellationToken cancellation) =>
        Done.ReadAsync(reader, cancellation);
}
