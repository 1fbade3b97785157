using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store;

namespace NixBuildFarm.Protocol.Messages;

/// <summary>
/// Deletes paths that no root keeps: the garbage collector, told what to collect. [CollectGarbage in src/libstore/daemon.cc of NixOS/nix]
/// </summary>
internal sealed record DeletePathsRequest(IReadOnlyCollection<StorePath> Paths) : IRequest<long>
{
    private const ulong DeleteSpecific = 3;

    public WorkerOperation Operation => WorkerOperation.CollectGarbage;

    public void Write(WireWriter writer, ProtocolVersion version)
    {
        writer.WriteUInt64(DeleteSpecific);
        writer.WriteStorePaths(Paths);
        writer.WriteBool(false); // What is needed is kept.
        writer.WriteUInt64(ulong.MaxValue); // No limit to what is deleted.
        for (var i = 0; i < 3; i++) writer.WriteUInt64(0); // No longer used.
    }

    public async ValueTask<long> ReadReplyAsync(WireReader reader, ProtocolVersion version, CancellationToken cancellation)
    {
        await reader.ReadStringsAsync(WireLimits.Name, cancellation); // What was deleted.
        var freed = await reader.ReadUInt64Async(cancellation);
        await reader.ReadUInt64Async(cancellation); // No longer used.
        return freed > long.MaxValue ? long.MaxValue : (long)freed;
    }
}
