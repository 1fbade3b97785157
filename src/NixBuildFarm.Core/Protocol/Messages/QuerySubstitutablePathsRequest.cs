using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store;

namespace NixBuildFarm.Protocol.Messages;

/// <summary>Which of these paths a substituter has.</summary>
internal sealed record QuerySubstitutablePathsRequest(IReadOnlyCollection<StorePath> Paths) : IRequest<IReadOnlySet<StorePath>>
{
    public WorkerOperation Operation => WorkerOperation.QuerySubstitutablePaths;

    public void Write(WireWriter writer, ProtocolVersion version) => writer.WriteStorePaths(Paths);

    public ValueTask<IReadOnlySet<StorePath>> ReadReplyAsync(WireReader reader, ProtocolVersion version, CancellationToken cancellation) =>
        reader.ReadStorePathSetAsync(cancellation);
}
