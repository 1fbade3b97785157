using System.Threading.Channels;
using NixBuildFarm.Deciding;
using NixBuildFarm.Platform;

namespace NixBuildFarm.Running;

/// <summary>What goes on beside the run's loop, and the events with which it answers. Safe for concurrent use.</summary>
internal sealed class RunTasks(CancellationToken cancellation) : IDisposable
{
    private readonly Channel<RunEvent> events = Channel.CreateUnbounded<RunEvent>(new() { SingleReader = true });
    private readonly HashSet<Task> tasks = [];
    private readonly CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);

    /// <summary>Ends with the run.</summary>
    public CancellationToken Stopping => stop.Token;

    /// <summary>Answers with an event.</summary>
    public void Post(RunEvent happened) => events.Writer.TryWrite(happened);

    /// <summary>Takes the next event, if there is one.</summary>
    public bool TryTake(out RunEvent? happened) => events.Reader.TryRead(out happened);

    /// <summary>Ends when there is an event, or the time has come.</summary>
    /// <exception cref="OperationCanceledException">The run stops.</exception>
    public async Task WaitAsync(double? wakeup, RunClock clock)
    {
        if (wakeup is not { } moment)
        {
            await events.Reader.WaitToReadAsync(stop.Token);
            return;
        }
        using var alarm = CancellationTokenSource.CreateLinkedTokenSource(stop.Token);
        var next = events.Reader.WaitToReadAsync(alarm.Token).AsTask();
        await Task.WhenAny(next, clock.DelayUntilAsync(moment, alarm.Token));
        await alarm.CancelAsync();
        stop.Token.ThrowIfCancellationRequested();
    }

    /// <summary>Runs something beside the loop; an error that it does not handle ends the run.</summary>
    public void Run(Func<Task> work)
    {
        var task = Task.Run(async () =>
        {
            try
            {
                await work();
            }
            catch (OperationCanceledException)
            {
                // Called off; whoever did that knows.
            }
            catch (Exception e)
            {
                Post(new RunEvent.Unforeseen(e));
            }
        });
        lock (tasks) tasks.Add(task);
        _ = task.ContinueWith(
            done =>
            {
                lock (tasks) tasks.Remove(done);
            },
            TaskScheduler.Default);
    }

    /// <summary>Tells everything that goes on to end.</summary>
    public void Stop() => stop.Cancel();

    /// <summary>Stops everything that goes on, and ends when it has ended.</summary>
    public async Task EndAsync()
    {
        await stop.CancelAsync();
        Task all;
        lock (tasks) all = Task.WhenAll(tasks);
        await Task.WhenAny(all);
    }

    /// <inheritdoc/>
    public void Dispose() => stop.Dispose();
}
