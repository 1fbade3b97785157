using System.Collections.Concurrent;
using System.Management.Automation;
using NixBuildFarm.Errors;

namespace NixBuildFarm.Hosting;

/// <summary>
/// A cmdlet with asynchronous work. The body runs on the pool; its output is queued and written on the pipeline's own thread. Ctrl-C, and a
/// pipeline that stops downstream (<c>Select-Object -First 1</c>), cancel the body, and the cmdlet returns when the body has ended.
/// </summary>
public abstract class AsyncCommand : PSCmdlet, IDisposable
{
    private const int PendingInformation = 1000;

    private readonly CancellationTokenSource stop = new();

    /// <inheritdoc/>
    protected override void StopProcessing() => stop.Cancel();

    /// <inheritdoc/>
    public void Dispose()
    {
        stop.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Runs the body and returns when it has ended. Its errors end the cmdlet.</summary>
    protected void Await(Func<CommandOutput, CancellationToken, Task> body)
    {
        using var queue = new BlockingCollection<Action<Cmdlet>>();
        using var room = new SemaphoreSlim(PendingInformation);
        var running = Task.Run(async () =>
        {
            try
            {
                await body(new CmdletOutput(queue.Add, room, stop.Token), stop.Token);
            }
            finally
            {
                queue.CompleteAdding();
            }
        });

        try
        {
            foreach (var write in queue.GetConsumingEnumerable()) write(this);
        }
        catch
        {
            // The pipeline is stopping, and this write was the first to learn of it.
            stop.Cancel();
            foreach (var _ in queue.GetConsumingEnumerable())
            {
                // There is no receiver any more.
            }
            throw;
        }
        finally
        {
            Task.WhenAny(running).Wait();
        }

        try
        {
            running.GetAwaiter().GetResult();
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            throw new PipelineStoppedException();
        }
        catch (NixBuildFarmException e)
        {
            ThrowTerminatingError(e.ToErrorRecord());
        }
    }
}
