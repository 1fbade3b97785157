using NixBuildFarm.Errors;
using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Sessions;
using NixBuildFarm.Store;
using NixBuildFarm.Transport;

namespace NixBuildFarm.FollowUp;

/// <summary>
/// Copies the logs of builds on other builders to the local store, one after the other, so that <c>nix log</c> finds them. No build waits
/// for it.
/// </summary>
/// <param name="local">The local store. If it does not trust the user, it takes no logs.</param>
/// <param name="decided">Receives, once, why the logs are not kept there.</param>
/// <param name="cancellation">Ends it: the run is stopped from outside. A run that a failure ends still has its logs kept.</param>
internal sealed class LogKeeper(BuilderSession local, Action<string> decided, CancellationToken cancellation) : IAsyncDisposable
{
    /// <summary>How long the end of a run waits for a store that is slow to take them.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly object gate = new();
    private Task keeping = Task.CompletedTask;
    private volatile bool isRefused = !local.Facts.Trusted;

    /// <summary>Begins to give it the log of a build that has ended.</summary>
    public void Keep(StorePath derivation, string log)
    {
        if (isRefused) return;
        lock (gate) keeping = KeepAfterAsync(keeping, derivation, log);
    }

    /// <summary>Returns when the store has all of them, or when it takes too long.</summary>
    public async ValueTask DisposeAsync()
    {
        Task all;
        lock (gate) all = keeping;
        try
        {
            await all.WaitAsync(Patience, cancellation);
        }
        catch (TimeoutException)
        {
            decided($"The local store has not taken all logs in {Patience.TotalSeconds} s; Get-NixBuildLog has them.");
        }
        catch (OperationCanceledException)
        {
            // The run was stopped.
        }
    }

    private async Task KeepAfterAsync(Task before, StorePath derivation, string log)
    {
        await Task.Yield(); // the caller holds the gate
        await before;
        if (isRefused || cancellation.IsCancellationRequested) return;
        try
        {
            await using var file = new FileStream(log, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            await local.UseAsync(ChannelUse.Build, daemon => daemon.AddBuildLogAsync(derivation, file, cancellation), cancellation);
        }
        catch (OperationCanceledException)
        {
            // The run was stopped.
        }
        catch (Exception e) when (e is NixBuildFarmException or IOException or WireException or UnauthorizedAccessException
            or ObjectDisposedException)
        {
            isRefused = true;
            decided($"nix log will not find the logs of other builders; Get-NixBuildLog will: {e.Message}");
        }
    }
}
