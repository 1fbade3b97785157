using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store;

namespace NixBuildFarm.Protocol.Messages;

/// <summary>
/// Where an output is whose path is known only after the build; null: the store does not know it. Since 1.31 the reply is JSON
/// [QueryRealisation in src/libstore/daemon.cc of NixOS/nix].
/// </summary>
/// <param name="Id">See <see cref="Realisation"/>.</param>
internal sealed record QueryRealisationRequest(string Id) : IRequest<StorePath?>
{
    private static readonly ProtocolVersion WithJson = new(1, 31);

    public WorkerOperation Operation => WorkerOperation.QueryRealisation;

    public void Write(WireWriter writer, ProtocolVersion version) => writer.WriteString(Id);

    public async ValueTask<StorePath?> ReadReplyAsync(WireReader reader, ProtocolVersion version, CancellationToken cancellation)
    {
        var count = await reader.ReadCountAsync(cancellation);
        StorePath? path = null;
        for (var i = 0; i < count; i++)
        {
            path = version >= WithJson
                ? await RealisationLayout.ReadPathAsync(reader, cancellation)
                : await reader.ReadStorePathAsync(cancellation);
        }
        return path;
    }
}
