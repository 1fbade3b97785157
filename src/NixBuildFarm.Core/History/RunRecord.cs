using NixBuildFarm.Logs;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.History;

/// <summary>How a run ended, or that it goes on.</summary>
public enum RunState
{
    /// <summary>Everything that was asked for is valid.</summary>
    Succeeded,

    /// <summary>Something was not built, or the run itself met an error.</summary>
    Failed,

    /// <summary>The user stopped it.</summary>
    Stopped,

    /// <summary>It goes on.</summary>
    Running,

    /// <summary>Its process ended before it did: a signal, <c>kill -9</c>, a machine without power.</summary>
    Interrupted,
}

/// <summary>A run as it is kept: enough to show it, and to play it again on this or another farm.</summary>
public sealed record RunRecord
{
    /// <summary>Names the run among all.</summary>
    public required string Id { get; init; }

    /// <summary>When it began. Times within it are seconds since then.</summary>
    public required DateTimeOffset Started { get; init; }

    /// <summary>When it ended; of a run that goes on, or was interrupted, when this was written.</summary>
    public required DateTimeOffset Ended { get; init; }

    /// <summary>How it ended, or that it goes on.</summary>
    public required RunState State { get; init; }

    /// <summary>What was asked for, in the user's words.</summary>
    public required IReadOnlyList<string> Requested { get; init; }

    /// <summary>Duration of the evaluation at the beginning, in seconds; 0 where it is not known.</summary>
    public double EvaluationSeconds { get; init; }

    /// <summary>The error that ended the run early; null when there was none.</summary>
    public string? Error { get; init; }

    /// <summary>The builders as the run saw them at its end, with learnt speeds and bandwidths; empty if it ended before.</summary>
    public IReadOnlyList<FarmBuilder> Farm { get; init; } = [];

    /// <summary>The jobs, dependencies by index, then the requested derivations that were valid already.</summary>
    public IReadOnlyList<RecordedJob> Jobs { get; init; } = [];

    /// <summary>Seconds from the first input sent or build begun to the end of the last build; 0 if nothing was built.</summary>
    public double Makespan
    {
        get
        {
            var built = Jobs.Where(job => job.IsBuilt).ToArray();
            return built.Length == 0 ? 0 : built.Max(job => job.End) - built.Min(job => job.SupplyStart ?? job.Start ?? 0);
        }
    }

    /// <summary>The run without its derivations.</summary>
    public NixBuildRun ToRun() => new()
    {
        RunId = Id,
        State = State,
        Started = Started,
        Duration = Ended - Started,
        Requested = Requested,
        Derivations = Jobs.Count,
        Built = Jobs.Count(job => job.Status == NixBuildStatus.Built),
        NotDone = Jobs.Count(job => !job.Status.IsSuccess()),
    };

    /// <summary>The results. Of a run that is going on, those of ended derivations.</summary>
    /// <param name="logLines">As many last lines of the logs of those that are not there; the logs have to be there still.</param>
    public IEnumerable<NixBuildResult> ToResults(int logLines) =>
        Jobs.Where(job => !job.GoesOnIn(this)).Select(job => ToResult(job, logLines));

    private NixBuildResult ToResult(RecordedJob job, int logLines) => new()
    {
        Name = job.Job.Name,
        DerivationPath = job.DerivationPath,
        System = job.Job.System,
        Status = job.Status,
        Builder = job.Builder,
        Started = job.Start is { } start ? Started.AddSeconds(start) : null,
        Duration = TimeSpan.FromSeconds(job.Seconds),
        Waited = TimeSpan.FromSeconds(job.Waited),
        Supplied = job.SuppliedBytes,
        Attempts = job.Attempts,
        PeakMemory = job.PeakMemory,
        ProcessorTime = job.ProcessorSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : null,
        SharedCompiles = job.SharedCompiles,
        Pushes = job.Pushes,
        Outputs = job.Outputs,
        Error = job.Error,
        LogPath = job.LogPath,
        Phase = job.Phase,
        BuildFolder = job.BuildFolder,
        LogTail = job.Status.IsSuccess() ? [] : LogFile.TailOf(job.LogPath, logLines),
        IsRequested = job.Job.IsRequested,
        RunId = Id,
    };
}

/// <summary>One derivation of a run, and its result.</summary>
public sealed record RecordedJob
{
    /// <summary>The scheduler's job; its dependencies are indexes of the run's jobs.</summary>
    public required Job Job { get; init; }

    /// <summary>The path of the derivation.</summary>
    public required string DerivationPath { get; init; }

    /// <summary>Whether its outputs were to come from a substituter rather than from a build.</summary>
    public bool IsSubstitution { get; init; }

    /// <summary>How it ended.</summary>
    public required NixBuildStatus Status { get; init; }

    /// <summary>The builder of the last try; null when there was none.</summary>
    public string? Builder { get; init; }

    /// <summary>When the supply of its inputs began, in seconds since the run's beginning; null when it did not.</summary>
    public double? SupplyStart { get; init; }

    /// <summary>When the build itself began, in seconds since the run's beginning; null when it did not.</summary>
    public double? Start { get; init; }

    /// <summary>How long the build itself took, or had taken when the run ended.</summary>
    public double Seconds { get; init; }

    /// <summary>When the build ended, in seconds since the run's beginning.</summary>
    public double End => (Start ?? 0) + Seconds;

    /// <summary>Whether the run built it: its outputs are there, and not because they were there before or were fetched.</summary>
    public bool IsBuilt => Status == NixBuildStatus.Built && Start is not null;

    /// <summary>Whether it has not ended in a run that goes on: until then it is recorded as called off.</summary>
    public bool GoesOnIn(RunRecord run) => run.State == RunState.Running && Status == NixBuildStatus.Cancelled;

    /// <summary>How long it was expected to take on this builder when it was started there; null when it was not.</summary>
    public double? ExpectedSeconds { get; init; }

    /// <summary>Whether that was a guess: no build of the package was known.</summary>
    public bool IsGuess { get; init; }

    /// <summary>Seconds from the moment when its inputs were built to the moment when its build began.</summary>
    public double Waited { get; init; }

    /// <summary>The cores that the scheduler counted it with; 0 when it was not started.</summary>
    public int Cores { get; init; }

    /// <summary>Bytes of NARs that were sent to the builder for it.</summary>
    public long SuppliedBytes { get; init; }

    /// <summary>Size of its outputs; 0 when there are none.</summary>
    public long OutputBytes { get; init; }

    /// <summary>The most memory that the build had at a time, in bytes; null: that was not seen.</summary>
    public long? PeakMemory { get; init; }

    /// <summary>Processor time that the build took on its builder, in seconds; null: that was not seen.</summary>
    public double? ProcessorSeconds { get; init; }

    /// <summary>
    /// When the copy of its outputs to the local store began, in seconds since the run's beginning; null when they were not copied. One
    /// copy may have outputs of several derivations.
    /// </summary>
    public double? HomeStart { get; init; }

    /// <summary>How long they were on their way.</summary>
    public double HomeSeconds { get; init; }

    /// <summary>The failed attempts, in order.</summary>
    public IReadOnlyList<NixBuildAttempt> Attempts { get; init; } = [];

    /// <summary>Its compiles, where other builders may have done some of them; null: it was not shared.</summary>
    public SharedCompiles? SharedCompiles { get; init; }

    /// <summary>The stores that get its outputs, and whether they have them.</summary>
    public IReadOnlyList<NixBuildPush> Pushes { get; init; } = [];

    /// <summary>The outputs by name; empty when there are none.</summary>
    public IReadOnlyDictionary<string, string> Outputs { get; init; } = new Dictionary<string, string>();

    /// <summary>The error; null when there was none.</summary>
    public string? Error { get; init; }

    /// <summary>The file with everything that the build printed; null when it did not run.</summary>
    public string? LogPath { get; init; }

    /// <summary>The phase that a failed build was in when it ended; null: it names none.</summary>
    public string? Phase { get; init; }

    /// <summary>The directory of a failed build on this machine; null: there is none.</summary>
    public string? BuildFolder { get; init; }
}
