using NixBuildFarm.Protocol.Wire;

namespace NixBuildFarm.Protocol.Messages;

/// <summary>Builds or fetches paths, and returns a result for each (protocol 1.34 and later).</summary>
internal sealed record BuildPathsWithResultsRequest(IReadOnlyCollection<DerivedPath> Paths, BuildMode Mode)
    : IRequest<IReadOnlyList<KeyedBuildResult>>
{
    /// <summary>The first version that has it.</summary>
    public static readonly ProtocolVersion Since = new(1, 34);

    public WorkerOperation Operation => WorkerOperation.BuildPathsWithResults;

    public void Write(WireWriter writer, ProtocolVersion version)
    {
        DerivedPathLayout.Write(writer, Paths);
        writer.WriteInt64((long)Mode);
    }

    public async ValueTask<IReadOnlyList<KeyedBuildResult>> ReadReplyAsync(
        WireReader reader, ProtocolVersion version, CancellationToken cancellation)
    {
        var count = await reader.ReadCountAsync(cancellation);
        var results = new List<KeyedBuildResult>();
        for (var i = 0; i < count; i++)
        {
            var path = await DerivedPathLayout.ReadAsync(reader, cancellation);
            results.Add(new(path, await BuildResultLayout.ReadAsync(reader, version, cancellation)));
        }
        // Each result belongs to a request: callers rely on that.
        return results.Count == Paths.Count && Paths.All(path => results.Any(result => result.Path.Path == path.Path))
            ? results
            : throw new WireException($"The results of {results.Count} builds answer a question for {Paths.Count}.");
    }
}
