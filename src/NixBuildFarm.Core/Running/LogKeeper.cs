using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Running;

/// <summary>Gives the local store the logs of what was built elsewhere, so that <c>nix log</c> finds them. No build waits for it.</summary>
/// <param name="local">The local store. One that does not trust the user takes no logs.</param>
/// <param name="decided">Is told once why logs are not kept there.</param>
/// <param name="cancellation">Ends it: the run is stopped from outside. A run that a failure ends still has its logs kept.</param>
internal sealed class LogKeeper(BuilderSession local, Action<string> decided, CancellationToken cancellation) : IAsyncDisposable
{
    private const int AtATime = 2;

    /// <summary>How long the end of a run waits for a store that is slow to take them.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly SemaphoreSlim turn = new(AtATime);
    private readonly List<Task> keeping = [];
    private volatile bool isRefused = !local.Facts.Trusted;

    /// <summary>Begins to give it the log of a build that has ended.</summary>
    public void Keep(StorePath derivation, string log)
    {
        if (isRefused) return;
        lock (keeping) keeping.Add(Task.Run(() => KeepAsync(derivation, log), CancellationToken.None));
    }

    /// <summary>Returns when the store has all of them, or when it takes too long.</summary>
    public async ValueTask DisposeAsync()
    {
        Task all;
        lock (keeping) all = Task.WhenAll(keeping);
        try
        {
            await all.WaitAsync(Patience, cancellation);
            turn.Dispose();
        }
        catch (Exception e) when (e is TimeoutException or OperationCanceledException)
        {
            if (e is TimeoutException) decided($"The local store has not taken all logs in {Patience.TotalSeconds} s; Get-NixBuildLog has them.");
        }
    }

    private async Task KeepAsync(StorePath derivation, string log)
    {
        try
        {
            await turn.WaitAsync(cancellation);
            try
            {
                if (isRefused) return;
                await using var file = new FileStream(log, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
                await local.UseAsync(ChannelUse.Build, daemon => daemon.AddBuildLogAsync(derivation, file, cancellation), cancellation);
            }
            finally
            {
                turn.Release();
            }
        }
        catch (OperationCanceledException)
        {
            // The run was stopped.
        }
        catch (Exception e) when (e is NixBuildFarmException or IOException or WireException or UnauthorizedAccessException)
        {
            if (!isRefused) decided($"nix log will not find what was built elsewhere, Get-NixBuildLog does: {e.Message}");
            isRefused = true;
        }
    }
}
