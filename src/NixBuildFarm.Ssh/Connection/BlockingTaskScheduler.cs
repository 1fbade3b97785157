using System.Diagnostics.CodeAnalysis;

namespace NixBuildFarm.Ssh.Connection;

/// <summary>
/// Runs blocking work, as SSH.NET's is, on threads of its own: as many as are blocked at a time, reused while there is work, gone half a
/// second later. So the thread pool stays free for continuations, however many builders hang.
/// </summary>
internal sealed class BlockingTaskScheduler : TaskScheduler
{
    private static readonly TimeSpan Idle = TimeSpan.FromMilliseconds(500);
    private static readonly TaskFactory Factory =
        new(CancellationToken.None, TaskCreationOptions.DenyChildAttach, TaskContinuationOptions.None, new BlockingTaskScheduler());

    private readonly object sync = new();
    private readonly Queue<Task> waiting = new();
    private int idleThreads;

    /// <summary>Runs an action.</summary>
    public static Task Run(Action action) => Factory.StartNew(action);

    /// <summary>Runs a function.</summary>
    public static Task<T> Run<T>(Func<T> function) => Factory.StartNew(function);

    /// <inheritdoc/>
    protected override void QueueTask(Task task)
    {
        lock (sync)
        {
            waiting.Enqueue(task);
            if (idleThreads >= waiting.Count)
            {
                Monitor.Pulse(sync);
                return;
            }
        }
        new Thread(Work) { IsBackground = true, Name = "NixBuildFarm SSH" }.Start();
    }

    /// <inheritdoc/>
    protected override bool TryExecuteTaskInline(Task task, bool taskWasPreviouslyQueued) => false;

    /// <inheritdoc/>
    protected override IEnumerable<Task> GetScheduledTasks()
    {
        lock (sync) return waiting.ToArray();
    }

    private void Work()
    {
        while (TryTake(out var task)) TryExecuteTask(task);
    }

    private bool TryTake([NotNullWhen(true)] out Task? task)
    {
        lock (sync)
        {
            while (!waiting.TryDequeue(out task))
            {
                idleThreads++;
                var isWoken = Monitor.Wait(sync, Idle);
                idleThreads--;
                if (!isWoken && waiting.Count == 0) return false;
            }
            return true;
        }
    }
}
