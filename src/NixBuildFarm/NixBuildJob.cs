using System.Management.Automation;

namespace NixBuildFarm;

/// <summary>A build in the background, for Get-Job, Wait-Job, Receive-Job, Stop-Job and Remove-Job.</summary>
public sealed class NixBuildJob : Job
{
    private static int lastNumber;

    private readonly CancellationTokenSource stop = new();
    private readonly TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly JobOutput output;
    private readonly Func<CommandOutput, CancellationToken, Task> body;

    internal NixBuildJob(string command, Func<CommandOutput, CancellationToken, Task> body)
        : base(command, $"NixBuild{Interlocked.Increment(ref lastNumber)}")
    {
        this.body = body;
        output = new(this);
        PSJobTypeName = "NixBuildJob";
    }

    /// <summary>Whether something waits to be received.</summary>
    public override bool HasMoreData =>
        Output.Count + Error.Count + Warning.Count + Verbose.Count + Debug.Count + Information.Count + Progress.Count > 0;

    /// <summary>Where the builds run.</summary>
    public override string Location => "builders";

    /// <summary>Where the run stands.</summary>
    public override string StatusMessage => output.Status;

    /// <summary>Ends the builds on all builders, and returns when they have been told.</summary>
    public override void StopJob()
    {
        if (JobStateInfo.State is JobState.Running or JobState.NotStarted)
        {
            try
            {
                stop.Cancel();
            }
            catch (ObjectDisposedException)
            {
                // Removed meanwhile, and so ended.
            }
        }
        ended.Task.Wait();
    }

    /// <summary>Begins to build.</summary>
    internal void Start()
    {
        SetJobState(JobState.Running);
        _ = Task.Run(RunAsync);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            StopJob();
            stop.Dispose();
        }
        base.Dispose(disposing);
    }

    private async Task RunAsync()
    {
        var state = JobState.Completed;
        try
        {
            await body(output, stop.Token);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            state = JobState.Stopped;
        }
        catch (NixBuildFarmException e)
        {
            output.Error(e);
            state = JobState.Failed;
        }
        catch (Exception e)
        {
            // What nobody foresaw: a job has no caller that could see it.
            output.Error(new ErrorRecord(e, e.GetType().Name, ErrorCategory.NotSpecified, targetObject: null));
            state = JobState.Failed;
        }
        finally
        {
            SetJobState(state);
            ended.SetResult();
        }
    }

    /// <summary>The streams of the job, which keep what is written until it is received.</summary>
    private sealed class JobOutput(NixBuildJob job) : CommandOutput
    {
        private readonly object gate = new();

        /// <summary>What the outermost progress said last.</summary>
        public string Status { get; private set; } = "";

        public override void Object(object value) => Add(() => job.Output.Add(PSObject.AsPSObject(value)));

        public override void Error(ErrorRecord error) => Add(() => job.Error.Add(error));

        public override void Warning(string message) => Add(() => job.Warning.Add(new WarningRecord(message)));

        public override void Verbose(string message) => Add(() => job.Verbose.Add(new VerboseRecord(message)));

        public override void Debug(string message) => Add(() => job.Debug.Add(new DebugRecord(message)));

        public override void Information(object message, params string[] tags) => Add(() =>
        {
            var record = new InformationRecord(message, nameof(NixBuildJob));
            record.Tags.AddRange(tags);
            job.Information.Add(record);
        });

        public override void Progress(ProgressRecord record) => Add(() =>
        {
            if (record.ParentActivityId < 0) Status = record.RecordType == ProgressRecordType.Completed ? "" : record.StatusDescription;
            // Of a line only the newest is news, and a job may go on for hours before anybody receives it.
            for (var i = job.Progress.Count - 1; i >= 0; i--)
            {
                if (job.Progress[i].ActivityId == record.ActivityId) job.Progress.RemoveAt(i);
            }
            job.Progress.Add(record);
        });

        private void Add(Action add)
        {
            lock (gate) add();
        }
    }
}
