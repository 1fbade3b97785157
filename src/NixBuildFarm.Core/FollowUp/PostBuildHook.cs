using NixBuildFarm.Errors;
using NixBuildFarm.Platform;
using NixBuildFarm.Store;

namespace NixBuildFarm.FollowUp;

/// <summary>
/// The program that Nix runs on this machine after each build (<c>post-build-hook</c>), e.g. to sign outputs or to put them into a cache.
/// Nix's daemon runs it for builds on this machine. For outputs that are copied back this class runs it, one at a time, as the daemon
/// would: as root.
/// </summary>
/// <param name="program">The program.</param>
/// <param name="isRoot">Whether this process is root's, as the daemon is.</param>
/// <param name="degraded">Receives a warning if the program does not run, and one for each time that it fails.</param>
internal sealed class PostBuildHook(string program, bool isRoot, Action<string> degraded) : IDisposable
{
    private readonly SemaphoreSlim turn = new(1);
    private int hasToldWhyNot;

    /// <summary>The hook of this machine; null: it has none.</summary>
    public static PostBuildHook? Of(string? program, Action<string> degraded) =>
        string.IsNullOrWhiteSpace(program) ? null : new(program.Trim(), Environment.IsPrivilegedProcess, degraded);

    /// <summary>Outputs that were built elsewhere are in the local store. The program's failure does not take them away.</summary>
    public async Task RunAsync(StorePath derivation, IEnumerable<StorePath> outputs, CancellationToken cancellation)
    {
        if (!isRoot)
        {
            if (Interlocked.Exchange(ref hasToldWhyNot, 1) == 0)
            {
                degraded($"The post-build-hook {program} of this machine does not run for outputs of other builders: Nix runs it as root, "
                    + "and this run is not root's. "
                    + "Run it yourself on the outputs, or build as root.");
            }
            return;
        }
        await turn.WaitAsync(cancellation);
        try
        {
            var variables = new Dictionary<string, string>
            {
                ["DRV_PATH"] = derivation.ToString(),
                ["OUT_PATHS"] = string.Join(' ', outputs),
            };
            await NixCommand.RunAsync(program, [], environment: variables, cancellation: cancellation);
        }
        catch (NixBuildFarmException e)
        {
            degraded($"The post-build-hook failed for {derivation.Name}, which was built and copied back: {e.Message}");
        }
        finally
        {
            turn.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => turn.Dispose();
}
