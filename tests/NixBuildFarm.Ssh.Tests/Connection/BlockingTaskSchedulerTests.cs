using NixBuildFarm.Ssh.Connection;

namespace NixBuildFarm.Ssh.Tests.Connection;

public class BlockingTaskSchedulerTests
{
    [Fact]
    public async Task Any_number_of_blocked_tasks_run_at_the_same_time()
    {
        using var together = new Barrier(100);

        await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => BlockingTaskScheduler.Run(() => together.SignalAndWait())))
            .WaitAsync(Until.Limit, TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task Threads_without_work_end()
    {
        await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => BlockingTaskScheduler.Run(() => Thread.Sleep(20))));

        await Until.TrueAsync(() => OwnThreads.Count == 0, "the threads end");
    }

    [Fact]
    public async Task Continuations_run_on_the_thread_pool()
    {
        await BlockingTaskScheduler.Run(() => Assert.False(Thread.CurrentThread.IsThreadPoolThread));

        Assert.True(Thread.CurrentThread.IsThreadPoolThread);
    }

    [Fact]
    public async Task A_failure_comes_back() =>
        await Assert.ThrowsAsync<InvalidOperationException>(() => BlockingTaskScheduler.Run(() => throw new InvalidOperationException()));
}
