using NixBuildFarm.Protocol;
using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store;

namespace NixBuildFarm.Core.Tests.Protocol;

/// <summary><c>nix-store --serve</c> in this process, as far as closures go.</summary>
internal static class FakeServe
{
    /// <summary>Answers one question.</summary>
    /// <param name="store">What it knows.</param>
    /// <param name="invented">What it adds to the answer without reason.</param>
    /// <param name="channel">To whom asks.</param>
    public static async Task RunAsync(FakeStore store, IReadOnlyCollection<StorePath> invented, MemoryChannel channel)
    {
        var gone = channel.ClientGone;
        try
        {
            var reader = new WireReader(channel.Server);
            var writer = new WireWriter();
            Assert.Equal(ClosureQuestion.ClientMagic, await reader.ReadUInt64Async(gone));
            writer.WriteUInt64(ClosureQuestion.ServerMagic);
            writer.WriteUInt64(2 << 8 | 7);
            Assert.Equal(2 << 8 | 7UL, await reader.ReadUInt64Async(gone));
            Assert.Equal(ClosureQuestion.QueryClosure, await reader.ReadUInt64Async(gone));
            Assert.False(await reader.ReadBoolAsync(gone));
            writer.WriteStorePaths([.. ClosureOf(store, await reader.ReadStorePathsAsync(gone)), .. invented]);
            await channel.Server.WriteAsync(writer.Written, gone);
        }
        catch (Exception e) when (gone.IsCancellationRequested
            && e is IOException or WireException or OperationCanceledException or InvalidOperationException)
        {
            // Nobody waits for the answer any more.
        }
        await channel.Server.DisposeAsync();
    }

    private static HashSet<StorePath> ClosureOf(FakeStore store, IEnumerable<StorePath> roots)
    {
        var closure = new HashSet<StorePath>();
        var left = new Stack<StorePath>(roots);
        while (left.TryPop(out var path))
        {
            if (!closure.Add(path)) continue;
            foreach (var reference in store.Find(path)!.References) left.Push(reference);
        }
        return closure;
    }
}
