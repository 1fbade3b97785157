using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Platform;
using NixBuildFarm.Protocol;
using NixBuildFarm.Store;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Compiling;

/// <summary>Deletes from the stores of helpers what compiles have left there, but for what later builds may find. All of it is garbage anyway.</summary>
/// <param name="kept">Knows it from run to run.</param>
/// <param name="clock">The time.</param>
/// <param name="say">Takes what the user may want to know.</param>
internal sealed class CompileCleaning(IKeptCompiles kept, RunClock clock, Action<string> say)
{
    /// <summary>A run does not end later than this for it.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    /// <summary>The daemons of connections that were closed may hold roots for a moment.</summary>
    private static readonly TimeSpan[] Pauses = [TimeSpan.FromMilliseconds(100), TimeSpan.FromMilliseconds(400), TimeSpan.FromSeconds(2)];

    /// <summary>Cleans the store of a helper, whose connections for compiles are closed.</summary>
    public async Task CleanAsync(CompileHelper helper)
    {
        var builder = helper.Session.Builder;
        if (helper.Left.Count == 0) return;
        var memo = CompileMemo.Choose(kept.KeptCompiles(builder.Name), helper.Left, builder.Policy.ShareMemo ?? CompileMemo.UsualSize, clock.UtcNow);
        using var patience = new CancellationTokenSource(Patience, clock.Time);
        var isClean = await TryDeleteAsync(helper, memo.Gone, patience.Token);
        kept.Keep(builder.Name, isClean ? memo.Kept : [.. memo.Kept, .. memo.Gone.Select(path => new KeptCompile(path.ToString(), 0, clock.UtcNow))]);
    }

    private async Task<bool> TryDeleteAsync(CompileHelper helper, IReadOnlyList<StorePath> paths, CancellationToken cancellation)
    {
        if (paths.Count == 0) return true;
        try
        {
            for (var attempt = 0; ; attempt++)
            {
                try
                {
                    await helper.Session.UseAsync(ChannelUse.Build, daemon => daemon.DeletePathsAsync(paths, cancellation), cancellation);
                    return true;
                }
                catch (DaemonException) when (attempt < Pauses.Length)
                {
                    await Task.Delay(Pauses[attempt], clock.Time, cancellation);
                }
            }
        }
        catch (Exception e) when (e is NixBuildFarmException or IOException or OperationCanceledException)
        {
            say($"What compiles have left on {helper.Session} could not be deleted; its garbage collector will: {e.Message}");
            return false;
        }
    }
}
