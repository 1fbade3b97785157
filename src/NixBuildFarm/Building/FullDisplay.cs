using NixBuildFarm.Logs;
using NixBuildFarm.Observing;
using NixBuildFarm.Reporting.Events;
using NixBuildFarm.Watching;

namespace NixBuildFarm.Building;

/// <summary>
/// Shows a build of this session on the whole terminal, from the moment when it is known what it is about. What the command writes is held
/// back until the view is left.
/// </summary>
internal sealed class FullDisplay(HeldOutput output) : IBuildObserver, IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private readonly CancellationTokenSource ended = new();
    private Task showing = Task.CompletedTask;
    private bool isDisposed;

    public void Observe(RunNews news)
    {
        if (news is not RunNews.Began(var run, _) || !showing.IsCompleted) return;
        output.Hold();
        showing = ShowAsync(new(WatchFile.Of(WatchFile.DefaultFolder, run), run, run));
    }

    /// <summary>The run has ended: the terminal is as it was, and gets what was held back.</summary>
    public void Dispose()
    {
        if (isDisposed) return;
        isDisposed = true;
        ended.CancelAfter(Patience);
        showing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing).GetAwaiter().GetResult();
        output.Release();
        ended.Dispose();
    }

    private async Task ShowAsync(LogFile events)
    {
        try
        {
            await new WatchScreen().ShowAsync(events, ended.Token);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            output.Warning($"The run cannot be shown on the whole terminal: {e.Message}");
        }
        finally
        {
            output.Release();
        }
    }
}
