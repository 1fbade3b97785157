using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store;

namespace NixBuildFarm.Protocol.Messages;

/// <summary>Asks which of these paths are valid, optionally after the daemon has fetched what it can.</summary>
internal sealed record QueryValidPathsRequest(IReadOnlyCollection<StorePath> Paths, bool Substitute) : IRequest<IReadOnlySet<StorePath>>
{
    public WorkerOperation Operation => WorkerOperation.QueryValidPaths;

    public void Write(WireWriter writer, ProtocolVersion version)
    {
        writer.WriteStorePaths(Paths);
        writer.WriteBool(Substitute);
    }

    public ValueTask<IReadOnlySet<StorePath>> ReadReplyAsync(WireReader reader, ProtocolVersion version, CancellationToken cancellation) =>
        reader.ReadStorePathSetAsync(cancellation);
}
