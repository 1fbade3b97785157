using NixBuildFarm.Store;

namespace NixBuildFarm.History;

/// <summary>How a derivation ended in a run.</summary>
public enum NixBuildStatus
{
    /// <summary>Built in this run; its outputs are valid in the store of the builder named.</summary>
    Built,

    /// <summary>Its outputs came from a substituter.</summary>
    Substituted,

    /// <summary>Its outputs were valid before.</summary>
    AlreadyValid,

    /// <summary>The build itself failed, or no builder could carry it out.</summary>
    Failed,

    /// <summary>The build was ended because it was silent, or ran, for too long.</summary>
    TimedOut,

    /// <summary>Not tried: something that it needs failed.</summary>
    DependencyFailed,

    /// <summary>Not tried, or ended in the middle, because the run was stopped.</summary>
    Cancelled,

    /// <summary>No builder of this run may build it.</summary>
    NoEligibleBuilder,
}

/// <summary>Groups the statuses.</summary>
public static class NixBuildStatuses
{
    /// <summary>Whether the outputs are there.</summary>
    public static bool IsSuccess(this NixBuildStatus status) =>
        status is NixBuildStatus.Built or NixBuildStatus.Substituted or NixBuildStatus.AlreadyValid;

    /// <summary>Whether the derivation failed itself; false if it was not tried since another failed or the run was stopped.</summary>
    public static bool HasFailed(this NixBuildStatus status) =>
        status is NixBuildStatus.Failed or NixBuildStatus.TimedOut or NixBuildStatus.NoEligibleBuilder;
}

/// <summary>One try at a derivation that did not end with a result of the build.</summary>
public sealed class NixBuildAttempt
{
    /// <summary>The builder that was tried.</summary>
    public required string Builder { get; init; }

    /// <summary>When the try began.</summary>
    public required DateTimeOffset Started { get; init; }

    /// <summary>How long it took.</summary>
    public required TimeSpan Duration { get; init; }

    /// <summary>The same in seconds, for Measure-Object.</summary>
    public double Seconds => Duration.TotalSeconds;

    /// <summary>The reason of the failure.</summary>
    public required string Reason { get; init; }

    /// <summary>Whether another builder finished first: the derivation had been started twice.</summary>
    public bool GaveWay => Reason == GaveWayReason;

    internal const string GaveWayReason = "another builder finished first";

    /// <summary>Builder and reason.</summary>
    public override string ToString() => $"{Builder}: {Reason}";
}

/// <summary>The result of one derivation in a run.</summary>
public sealed class NixBuildResult
{
    private bool isRequested;
    private string runId = "";

    /// <summary>The derivation's name, e.g. <c>hello-2.12</c>.</summary>
    public required string Name { get; init; }

    /// <summary>The path of the derivation.</summary>
    public required string DerivationPath { get; init; }

    /// <summary>The system that it builds on.</summary>
    public required string System { get; init; }

    /// <summary>How it ended.</summary>
    public required NixBuildStatus Status { get; init; }

    /// <summary>The builder whose store has the outputs, or that built last; null when none was asked.</summary>
    public string? Builder { get; init; }

    /// <summary>When the build began; null when it did not.</summary>
    public DateTimeOffset? Started { get; init; }

    /// <summary>How long the build took, without waiting and without transfers.</summary>
    public TimeSpan Duration { get; init; }

    /// <summary>The same in seconds, for Measure-Object.</summary>
    public double Seconds => Duration.TotalSeconds;

    /// <summary>From the moment when its inputs were built to the moment when its build began.</summary>
    public TimeSpan Waited { get; init; }

    /// <summary>Bytes of NARs that were sent to the builder for it.</summary>
    public long Supplied { get; init; }

    /// <summary>The most memory that the build had at a time, in bytes; null: that was not seen.</summary>
    public long? PeakMemory { get; init; }

    /// <summary>Processor time that the build took on its builder, of user and kernel; null: that was not seen.</summary>
    public TimeSpan? ProcessorTime { get; init; }

    /// <summary>The failed attempts, in order.</summary>
    public IReadOnlyList<NixBuildAttempt> Attempts { get; init; } = [];

    /// <summary>The compiles of the build, where other builders did some of them; null: it was not shared.</summary>
    public SharedCompiles? SharedCompiles { get; init; }

    /// <summary>The stores that get its outputs, and whether they have them: that changes until the run has ended.</summary>
    public IReadOnlyList<NixBuildPush> Pushes { get; init; } = [];

    /// <summary>The outputs by name; empty when there are none.</summary>
    public IReadOnlyDictionary<string, string> Outputs { get; init; } = new Dictionary<string, string>();

    /// <summary>The error; null when there was none.</summary>
    public string? Error { get; init; }

    /// <summary>The file with everything that the build printed; null when it did not run.</summary>
    public string? LogPath { get; init; }

    /// <summary>The last lines that the build printed.</summary>
    public IReadOnlyList<string> LogTail { get; init; } = [];

    /// <summary>The phase that a failed build was in when it ended, as it names it; null: it names none.</summary>
    public string? Phase { get; init; }

    /// <summary>The directory of a failed build on this machine; null: none was kept, or it could not be brought here.</summary>
    public string? BuildFolder { get; init; }

    /// <summary>Whether the user asked for it, rather than something that the user asked for.</summary>
    public bool IsRequested { get => isRequested; init => isRequested = value; }

    /// <summary>The run.</summary>
    public required string RunId { get => runId; init => runId = value; }

    /// <summary>Whether its outputs are there.</summary>
    public bool Success => Status.IsSuccess();

    /// <summary>The same, as another run has it that shares the build.</summary>
    internal NixBuildResult For(string run, bool requested)
    {
        var copy = (NixBuildResult)MemberwiseClone();
        (copy.runId, copy.isRequested) = (run, requested);
        return copy;
    }

    internal StorePath Path => StorePath.Parse(DerivationPath);

    /// <summary>The name.</summary>
    public override string ToString() => Name;
}
