using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store;

namespace NixBuildFarm.Protocol.Messages;

/// <summary>
/// Where an output is whose path is known only after the build; null: the store does not know it. Since 1.31 the reply is JSON, and with
/// the feature of Nix 2.35 a path and signatures [QueryRealisation in src/libstore/daemon.cc of NixOS/nix].
/// </summary>
/// <param name="Resolved">The resolved derivation.</param>
/// <param name="Id">See <see cref="Realisation"/>.</param>
internal sealed record QueryRealisationRequest(StorePath Resolved, string Id) : IRequest<StorePath?>
{
    public WorkerOperation Operation => WorkerOperation.QueryRealisation;

    public void Write(WireWriter writer, ProtocolVersion version)
    {
        if (version.HasRealisationsByPath)
        {
            writer.WriteStorePath(Resolved);
            writer.WriteString(Realisation.OutputIn(Id));
        }
        else
        {
            writer.WriteString(Id);
        }
    }

    public async ValueTask<StorePath?> ReadReplyAsync(WireReader reader, ProtocolVersion version, CancellationToken cancellation)
    {
        // At most one: none or one follows where there is a flag, and else as many as there are.
        var count = version.HasRealisationsByPath
            ? await reader.ReadBoolAsync(cancellation) ? 1 : 0
            : await reader.ReadCountAsync(cancellation);
        StorePath? path = null;
        for (var i = 0; i < count; i++) path = await RealisationLayout.ReadPathAsync(reader, version, cancellation);
        return path;
    }
}
