using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store;

namespace NixBuildFarm.Protocol.Messages;

/// <summary>The outputs of a derivation that the store has, with their paths as far as they are known.</summary>
internal sealed record QueryDerivationOutputMapRequest(StorePath Derivation) : IRequest<IReadOnlyDictionary<string, StorePath?>>
{
    public WorkerOperation Operation => WorkerOperation.QueryDerivationOutputMap;

    public void Write(WireWriter writer, ProtocolVersion version) => writer.WriteStorePath(Derivation);

    public async ValueTask<IReadOnlyDictionary<string, StorePath?>> ReadReplyAsync(
        WireReader reader, ProtocolVersion version, CancellationToken cancellation)
    {
        var count = await reader.ReadCountAsync(cancellation);
        var outputs = new Dictionary<string, StorePath?>();
        for (var i = 0; i < count; i++)
        {
            var name = await reader.ReadStringAsync(WireLimits.Name, cancellation);
            outputs[name] = await reader.ReadOptionalStorePathAsync(cancellation);
        }
        return outputs;
    }
}
