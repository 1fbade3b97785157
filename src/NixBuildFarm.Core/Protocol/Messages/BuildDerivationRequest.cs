using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Protocol.Messages;

/// <summary>Builds one derivation whose inputs are there; the derivation need not be in the store.</summary>
internal sealed record BuildDerivationRequest(StorePath Path, BasicDerivation Derivation, BuildMode Mode) : IRequest<BuildResult>
{
    public WorkerOperation Operation => WorkerOperation.BuildDerivation;

    public void Write(WireWriter writer, ProtocolVersion version)
    {
        writer.WriteStorePath(Path);
        BasicDerivationLayout.Write(writer, Derivation);
        writer.WriteInt64((long)Mode);
    }

    public ValueTask<BuildResult> ReadReplyAsync(WireReader reader, ProtocolVersion version, CancellationToken cancellation) =>
        BuildResultLayout.ReadAsync(reader, version, cancellation);
}
