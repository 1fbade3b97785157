using System.Collections;
using System.Management.Automation;
using NixBuildFarm.Errors;
using NixBuildFarm.Hosting;

namespace NixBuildFarm.Building;

/// <summary>A build in the background, for Get-Job, Wait-Job, Receive-Job, Stop-Job and Remove-Job.</summary>
public sealed class BackgroundBuild : Job
{
    private static readonly AsyncLocal<Task?> EndOfBody = new();
    private static int lastNumber;

    private readonly CancellationTokenSource stop = new();
    private readonly TaskCompletionSource ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly JobOutput output;
    private readonly Func<CommandOutput, CancellationToken, Task> body;

    internal BackgroundBuild(string command, Func<CommandOutput, CancellationToken, Task> body)
        : base(command, $"NixBuild{Interlocked.Increment(ref lastNumber)}")
    {
        this.body = body;
        output = new(this);
        PSJobTypeName = "NixBuildJob";
        // The first handler, so that the end is known before any other handler runs: Receive-Job -AutoRemoveJob disposes of the job in one.
        StateChanged += (_, change) =>
        {
            if (HasEnded(change.JobStateInfo.State)) ended.TrySetResult();
        };
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
        if (JobStateInfo.State == JobState.NotStarted) SetJobState(JobState.Stopped);
        if (HasEnded(JobStateInfo.State)) return;
        try
        {
            stop.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // Removed meanwhile, and so ended.
        }
        // A handler of the job's own streams runs within the body, which could not end as long as the handler waits for that.
        if (EndOfBody.Value != ended.Task) ended.Task.Wait();
    }

    /// <summary>Begins to build, unless it was stopped before.</summary>
    internal void Start()
    {
        if (JobStateInfo.State != JobState.NotStarted) return;
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

    private static bool HasEnded(JobState state) => state is JobState.Completed or JobState.Failed or JobState.Stopped;

    private async Task RunAsync()
    {
        EndOfBody.Value = ended.Task;
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
            // An unexpected error: a job has no caller that could see it.
            output.Error(new ErrorRecord(e, e.GetType().Name, ErrorCategory.NotSpecified, targetObject: null));
            state = JobState.Failed;
        }
        finally
        {
            SetJobState(state);
        }
    }

    /// <summary>
    /// The streams of the job, which keep their records until they are received. Their event handlers run within the call, and may wait for
    /// other writers: no lock is held meanwhile.
    /// </summary>
    private sealed class JobOutput(BackgroundBuild job) : CommandOutput
    {
        /// <summary>The last status of the outermost progress.</summary>
        public string Status { get; private set; } = "";

        public override void Object(object value) => Add(job.Output, PSObject.AsPSObject(value));

        public override void Error(ErrorRecord error) => Add(job.Error, error);

        public override void Warning(string message) => Add(job.Warning, new WarningRecord(message));

        public override void Verbose(string message) => Add(job.Verbose, new VerboseRecord(message));

        public override void Debug(string message) => Add(job.Debug, new DebugRecord(message));

        public override void Information(object message, params string[] tags)
        {
            var record = new InformationRecord(message, job.PSJobTypeName);
            record.Tags.AddRange(tags);
            Add(job.Information, record);
        }

        public override void Progress(ProgressRecord record)
        {
            // The collection's own lock: Receive-Job takes records out meanwhile.
            lock (((ICollection)job.Progress).SyncRoot)
            {
                if (record.ParentActivityId < 0) Status = record.RecordType == ProgressRecordType.Completed ? "" : record.StatusDescription;
                // Of a line only the newest is news, and a job may go on for hours before anybody receives it.
                for (var i = job.Progress.Count - 1; i >= 0; i--)
                {
                    if (job.Progress[i].ActivityId == record.ActivityId) job.Progress.RemoveAt(i);
                }
            }
            Add(job.Progress, record);
        }

        private static void Add<T>(PSDataCollection<T> stream, T record)
        {
            try
            {
                stream.Add(record);
            }
            catch (InvalidOperationException)
            {
                // A handler of one of its streams removed the job: there is no receiver any more.
            }
        }
    }
}
