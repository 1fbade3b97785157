using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Sessions;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Nar;

namespace NixBuildFarm.Supplying;

/// <summary>
/// NARs of the local store, which every user may read, without its daemon. Only of paths that are valid, and that its garbage collector
/// leaves alone.
/// </summary>
internal static class LocalNar
{
    /// <summary>
    /// Whether the NARs of these paths can be read here: the store lies on this machine, and has each of them, kept from its garbage
    /// collector for as long as the session lives. What it does not have is for its daemon to say.
    /// </summary>
    public static async Task<bool> CanReadAsync(BuilderSession from, IReadOnlyCollection<StorePath> paths, CancellationToken cancellation)
    {
        if (!from.Builder.IsLocal || !OperatingSystem.IsLinux()) return false;
        // A root first: what is valid then stays so.
        await from.ProtectAsync(paths, cancellation);
        var valid = await from.AskAsync((daemon, token) => daemon.QueryValidPathsAsync(paths, substitute: false, token), cancellation);
        return paths.All(path => valid.Contains(path) && Path.Exists(path.ToString()));
    }

    /// <summary>Writes a NAR.</summary>
    /// <param name="from">The local store.</param>
    /// <param name="path">The path.</param>
    /// <param name="destination">Where it goes.</param>
    /// <param name="cancellation">Ends it.</param>
    public static async Task WriteAsync(BuilderSession from, PathInfo path, Stream destination, CancellationToken cancellation)
    {
        var counted = new RestStream(destination, skip: 0);
        try
        {
            await NarWriter.WriteAsync(path.Path.ToString(), counted, cancellation);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException && !counted.HasFailed)
        {
            // The daemon can read what we cannot, or says what is wrong. The beginning has been written.
            await from.UseForNarsAsync(
                path.NarSize,
                daemon => daemon.CopyNarToAsync(path.Path, new RestStream(destination, counted.Written), cancellation),
                cancellation);
        }
    }

    /// <summary>Passes on all but the first bytes.</summary>
    private sealed class RestStream(Stream destination, long skip) : AsyncStream
    {
        private long left = skip;

        public override bool CanWrite => true;

        /// <summary>Bytes that were passed on.</summary>
        public long Written { get; private set; }

        /// <summary>Whether it was the destination that failed.</summary>
        public bool HasFailed { get; private set; }

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var skipped = (int)Math.Min(left, buffer.Length);
            left -= skipped;
            if (skipped == buffer.Length) return;
            try
            {
                await destination.WriteAsync(buffer[skipped..], cancellationToken);
            }
            catch
            {
                HasFailed = true;
                throw;
            }
            Written += buffer.Length - skipped;
        }
    }
}
