using System.Management.Automation;

namespace NixBuildFarm.Module.Tests.Building;

/// <summary>PowerShell's job cmdlets and the module's job, in every state that it can be in. None of them may wait for ever.</summary>
public sealed class BackgroundBuildTests
{
    private static readonly string[] Receivers =
    [
        "$job | Receive-Job -Wait -AutoRemoveJob",
        "$job | Receive-Job -Wait -AutoRemoveJob -Force",
        "$job | Receive-Job -Wait -WriteEvents -AutoRemoveJob | Where-Object { $_ -is [int] }",
        "$job | Receive-Job -Wait; Remove-Job $job",
        "$null = Wait-Job $job; Receive-Job $job -Keep | Out-Null; Receive-Job $job; Remove-Job $job",
        "$null = Wait-Job $job -Timeout 60; Receive-Job $job; Remove-Job $job -Force",
        "$null = $job | Wait-Job; Receive-Job $job -AutoRemoveJob -Wait",
        "Get-Job | Wait-Job | Receive-Job; Get-Job | Remove-Job",
    ];

    /// <summary>What a job writes before its end, how it ends, and how it is received.</summary>
    public static TheoryData<string, string> Ends()
    {
        var data = new TheoryData<string, string>();
        foreach (var end in (string[])["Completed", "Failed", "Broken"])
        {
            foreach (var receiver in Receivers) data.Add(end, receiver);
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(Ends))]
    public async Task Whatever_receives_a_job_gets_all_of_it_and_comes_to_its_end(string end, string receiver)
    {
        var gate = new TaskCompletionSource();
        using var session = new TestJob(async (output, _) =>
        {
            output.Object(1);
            await gate.Task;
            output.Progress(new ProgressRecord(1, "Building", "the last one"));
            output.Object(2);
            if (end == "Failed")
            {
                output.Error(new ErrorRecord(new InvalidOperationException("it failed"), "Odd", ErrorCategory.NotSpecified, null));
            }
            if (end == "Broken") throw new InvalidOperationException("nobody foresaw this");
        });
        using var script = session.Begin(receiver);
        // The end comes while the cmdlet waits, where it does.
        await Task.Delay(200, TestContext.Current.CancellationToken);
        gate.SetResult();

        var result = script.Wait(Until.Limit);

        Assert.Null(result.TerminatingError);
        Assert.Equal([1, 2], result.OutputAs<int>());
        Assert.Equal(end == "Completed" ? 0 : 1, result.Errors.Select(error => error.Exception.Message).Distinct().Count());
        Assert.Empty(session.Run("Get-Job"));
        Assert.Equal(end == "Broken" ? JobState.Failed : JobState.Completed, session.Job.JobStateInfo.State);
    }

    [Theory]
    [InlineData("Stop-Job $job; $job.State; Remove-Job $job")]
    [InlineData("$job | Stop-Job -PassThru | ForEach-Object State; $job | Remove-Job")]
    [InlineData("Stop-Job $job; Stop-Job $job; $job.State; Remove-Job $job -Force")]
    [InlineData("Remove-Job $job -Force; $job.State")]
    [InlineData("Stop-Job $job; Receive-Job $job -Wait -AutoRemoveJob; $job.State")]
    [InlineData("if (-not (Wait-Job $job -Timeout 1)) { Stop-Job $job }; $job.State; Remove-Job $job")]
    public void A_job_that_runs_is_stopped(string script)
    {
        var stopped = false;
        using var session = new TestJob(async (_, stop) =>
        {
            try
            {
                await Task.Delay(Timeout.Infinite, stop);
            }
            finally
            {
                stopped = true;
            }
        });

        Assert.Equal([JobState.Stopped], session.Run(script).Select(state => Enum.Parse<JobState>(state.ToString()!)));
        Assert.True(stopped);
        Assert.Empty(session.Run("Get-Job"));
    }

    [Fact]
    public void A_job_that_is_stopped_while_somebody_waits_for_it_is_received_to_its_end()
    {
        using var session = new TestJob(async (output, stop) =>
        {
            output.Object(1);
            await Task.Delay(Timeout.Infinite, stop);
        });
        using var script = session.Begin("$job | Receive-Job -Wait -AutoRemoveJob");
        Assert.Equal(1, script.Output.First().BaseObject);

        session.Job.StopJob();

        Assert.Null(script.Wait(Until.Limit).TerminatingError);
        Assert.Empty(session.Run("Get-Job"));
    }

    [Fact]
    public async Task Waiting_can_be_called_off_and_the_job_goes_on()
    {
        var gate = new TaskCompletionSource();
        using var session = new TestJob(async (output, _) =>
        {
            output.Object(1);
            await gate.Task;
            output.Object(2);
        });
        using (var script = session.Begin("$job | Receive-Job -Wait"))
        {
            Assert.Equal(1, script.Output.First().BaseObject);
            var stopping = Task.Run(script.Stop, TestContext.Current.CancellationToken);
            await stopping.WaitAsync(Until.Limit, TestContext.Current.CancellationToken);
            Assert.True(script.Wait(Until.Limit).Stopped);
        }
        gate.SetResult();

        Assert.Equal([2], session.Run("$job | Receive-Job -Wait -AutoRemoveJob"));
    }

    [Fact]
    public void Two_jobs_are_received_at_once()
    {
        using var session = new TestJob(async (output, stop) =>
        {
            await Task.Delay(100, stop);
            output.Object(1);
        });
        session.Add(
            async (output, stop) =>
            {
                await Task.Delay(200, stop);
                output.Object(2);
            },
            variable: "other");

        Assert.Equal([1, 2], session.Run("$job, $other | Receive-Job -Wait -AutoRemoveJob").Order());
        Assert.Empty(session.Run("Get-Job"));
    }

    [Fact]
    public void A_handler_of_a_stream_can_stop_and_remove_the_job()
    {
        using var session = new TestJob(async (_, stop) => await Task.Delay(Timeout.Infinite, stop));
        var gate = new TaskCompletionSource();
        using var job = session.Make(async (output, stop) =>
        {
            await gate.Task;
            output.Object(1);
            await Task.Delay(Timeout.Infinite, stop);
        });
        job.Output.DataAdded += (_, _) => job.StopJob();
        session.Start(job);
        gate.SetResult();

        Assert.True(job.Finished.WaitOne(Until.Limit));
        Assert.Equal(JobState.Stopped, job.JobStateInfo.State);
        session.Run("Remove-Job $job -Force");
    }

    [Fact]
    public void A_handler_of_a_stream_may_wait_for_another_thread_that_writes()
    {
        using var session = new TestJob((_, _) => Task.CompletedTask);
        using var job = session.Make((output, _) =>
        {
            output.Object(output);
            return Task.CompletedTask;
        });
        job.Output.DataAdded += (_, added) =>
        {
            if (job.Output[added.Index].BaseObject is TestJob.Output output)
            {
                Assert.True(Task.Run(() => output.Object(2)).Wait(Until.Limit), "The other thread has to wait.");
            }
        };
        session.Start(job);

        Assert.True(job.Finished.WaitOne(Until.Limit));
        Assert.Equal(JobState.Completed, job.JobStateInfo.State);
    }

    [Fact]
    public void A_job_can_be_disposed_of_twice_and_by_a_handler_of_its_end()
    {
        using var session = new TestJob((_, _) => Task.CompletedTask);
        var gate = new TaskCompletionSource();
        var job = session.Make((_, _) => gate.Task);
        using var disposed = new ManualResetEventSlim();
        job.StateChanged += (_, change) =>
        {
            if (change.JobStateInfo.State != JobState.Completed) return;
            job.Dispose();
            disposed.Set();
        };
        session.Start(job);
        gate.SetResult();

        Assert.True(disposed.Wait(Until.Limit, TestContext.Current.CancellationToken));
        job.Dispose();
        Assert.Equal(JobState.Completed, job.JobStateInfo.State);
    }

    [Fact]
    public async Task A_job_that_never_began_is_removed_as_stopped()
    {
        using var session = new TestJob((_, _) => Task.CompletedTask);
        var job = session.Make((_, _) => Task.CompletedTask);

        await Task.Run(job.Dispose, TestContext.Current.CancellationToken).WaitAsync(Until.Limit, TestContext.Current.CancellationToken);
        session.Start(job);

        Assert.Equal(JobState.Stopped, job.JobStateInfo.State);
    }
}
