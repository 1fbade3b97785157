using NixBuildFarm.Protocol.Wire;

namespace NixBuildFarm.Protocol.Messages;

/// <summary>Brings paths into being; the first that fails is an error.</summary>
internal sealed record BuildPathsRequest(IReadOnlyCollection<DerivedPath> Paths, BuildMode Mode) : IRequest<Done>
{
    public WorkerOperation Operation => WorkerOperation.BuildPaths;

    public void Write(WireWriter writer, ProtocolVersion version)
    {
        DerivedPathLayout.Write(writer, Paths);
        writer.WriteInt64((long)Mode);
    }

    public ValueTask<Done> ReadReplyAsync(WireReader reader, ProtocolVersion version, CancellationToken cancellation) =>
        Done.ReadAsync(reader, cancellation);
}
