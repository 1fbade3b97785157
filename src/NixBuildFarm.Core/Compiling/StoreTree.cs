using NixBuildFarm.Protocol;
using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Sharing;
using NixBuildFarm.Store;

namespace NixBuildFarm.Compiling;

/// <summary>Reads small store paths of builders into memory.</summary>
internal static class StoreTree
{
    /// <summary>Reads a path.</summary>
    /// <param name="daemon">The builder.</param>
    /// <param name="path">The path, which has to be valid there.</param>
    /// <param name="limit">The most bytes that are taken.</param>
    /// <param name="cancellation">Closes the connection.</param>
    /// <exception cref="OddFrameException">It is larger; the connection is then closed.</exception>
    public static async Task<NarTree> ReadAsync(DaemonConnection daemon, StorePath path, long limit, CancellationToken cancellation)
    {
        var reader = new NarTree.Reader(limit);
        await daemon.CopyNarToAsync(path, new Sink(reader), cancellation);
        return reader.Root;
    }

    private sealed class Sink(NarTree.Reader reader) : AsyncStream
    {
        public override bool CanWrite => true;

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            reader.Take(buffer.Span);
            return ValueTask.CompletedTask;
        }
    }
}
