using NixBuildFarm.Errors;
using NixBuildFarm.Platform;
using NixBuildFarm.Protocol;
using NixBuildFarm.Sessions;
using NixBuildFarm.Store;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Compiling;

/// <summary>
/// Deletes from the stores of builders what compiles have left there, but for what later builds may find. All of it is garbage anyway, and
/// a daemon deletes nothing that somebody uses.
/// </summary>
/// <param name="kept">Knows it from run to run.</param>
/// <param name="clock">The time.</param>
/// <param name="say">Takes what the user may want to know.</param>
internal sealed class CompileCleaning(IKeptCompiles kept, RunClock clock, Action<string> say)
{
    /// <summary>A run does not end later than this for it.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    /// <summary>The daemons of connections that were closed may hold roots for a moment.</summary>
    private static readonly TimeSpan[] Pauses = [TimeSpan.FromMilliseconds(100), TimeSpan.FromMilliseconds(400), TimeSpan.FromSeconds(2)];

    /// <summary>Cleans the store of a builder.</summary>
    /// <param name="session">The builder; its connections for compiles are closed.</param>
    /// <param name="left">What this run has left there; null: nothing.</param>
    public async Task CleanAsync(BuilderSession session, LeftPaths? left)
    {
        if (left is not null) await left.FlushAsync();
        var builder = session.Builder;
        var known = kept.KeptCompiles(builder.Name);
        var programs = left?.Programs ?? new Dictionary<StorePath, long>();
        var memo = CompileMemo.Choose(
            [.. known.Where(compile => !StorePath.TryParse(compile.Path, out var path) || !programs.ContainsKey(path))],
            left?.Paths ?? new Dictionary<StorePath, long>(),
            builder.Policy.ShareMemo ?? CompileMemo.UsualSize,
            clock.UtcNow);
        if (memo.Gone.Count == 0) return;
        using var patience = new SilenceWatch(Patience, clock.Time, CancellationToken.None);
        // What stays undeleted is known, and a later run tries again.
        var deleted = await DeleteAsync(session, memo.Gone, patience.Token);
        if (deleted.Count > 0) kept.Forget(builder.Name, [.. deleted.Select(path => path.ToString())]);
    }

    /// <returns>What is there no more.</returns>
    private async Task<IReadOnlyList<StorePath>> DeleteAsync(
        BuilderSession session, IReadOnlyList<StorePath> paths, CancellationToken cancellation)
    {
        var deleted = new List<StorePath>();
        try
        {
            if (await TryAsync(paths, Pauses)) return deleted;
            // Another run uses some of them: the others go.
            var parts = new Stack<StorePath[]>(paths.Chunk((paths.Count + 1) / 2));
            while (parts.TryPop(out var part))
            {
                if (await TryAsync(part, []) || part.Length == 1) continue;
                foreach (var half in part.Chunk((part.Length + 1) / 2)) parts.Push(half);
            }
            var used = paths.Count - deleted.Count;
            if (used > 0) say($"{used} paths that compiles have left on {session} are in use there; a later run deletes them.");
        }
        catch (Exception e) when (e is NixBuildFarmException or IOException or OperationCanceledException)
        {
            say($"What compiles have left on {session} could not be deleted; a later run will try again: {e.Message}");
        }
        return deleted;

        async Task<bool> TryAsync(IReadOnlyList<StorePath> some, TimeSpan[] pauses)
        {
            for (var attempt = 0; ; attempt++)
            {
                try
                {
                    await session.UseAsync(ChannelUse.Build, daemon => daemon.DeletePathsAsync(some, cancellation), cancellation);
                    deleted.AddRange(some);
                    return true;
                }
                catch (DaemonException) when (attempt < pauses.Length)
                {
                    await Task.Delay(pauses[attempt], clock.Time, cancellation);
                }
                catch (DaemonException)
                {
                    return false;
                }
            }
        }
    }
}
