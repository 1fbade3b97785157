using NixBuildFarm.Protocol.Wire;

namespace NixBuildFarm.Protocol.Messages;

/// <summary>Lists or deletes what no root refers to.</summary>
internal sealed record CollectGarbageRequest(GarbageCollection Collection) : IRequest<CollectedGarbage>
{
    public WorkerOperation Operation => WorkerOperation.CollectGarbage;

    public void Write(WireWriter writer, ProtocolVersion version)
    {
        writer.WriteInt64((long)Collection.Action);
        writer.WriteStorePaths(Collection.Paths);
        writer.WriteBool(false); // Ignore what is alive: daemons refuse it.
        writer.WriteUInt64((ulong?)Collection.MaxFreed ?? ulong.MaxValue);
        for (var obsolete = 0; obsolete < 3; obsolete++) writer.WriteInt64(0);
    }

    public async ValueTask<CollectedGarbage> ReadReplyAsync(WireReader reader, ProtocolVersion version, CancellationToken cancellation)
    {
        var paths = await reader.ReadStringsAsync(WireLimits.Name, cancellation);
        var freed = await reader.ReadInt64Async(cancellation);
        await reader.ReadUInt64Async(cancellation); // Obsolete.
        return new(paths, freed);
    }
}
