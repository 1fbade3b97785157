namespace NixBuildFarm.History;

/// <summary>A past run: what was asked for, when, and how it ended.</summary>
public sealed class NixBuildRun
{
    /// <summary>Identifies the run; begins with the time of its start.</summary>
    public required string RunId { get; init; }

    /// <summary>How it ended, or that it is running.</summary>
    public required RunState State { get; init; }

    /// <summary>When it began.</summary>
    public required DateTimeOffset Started { get; init; }

    /// <summary>How long it took; of a run that is running or was interrupted, how long until its last sign of life.</summary>
    public required TimeSpan Duration { get; init; }

    /// <summary>The duration in seconds, for Measure-Object.</summary>
    public double Seconds => Duration.TotalSeconds;

    /// <summary>What was asked for, in the user's words.</summary>
    public required IReadOnlyList<string> Requested { get; init; }

    /// <summary>Number of derivations to build or fetch, or valid already.</summary>
    public required int Derivations { get; init; }

    /// <summary>Number of derivations that were built.</summary>
    public required int Built { get; init; }

    /// <summary>Number of derivations whose outputs are missing, for whatever reason; of a run that is running, still missing.</summary>
    public required int NotDone { get; init; }

    /// <summary>Returns the run's id.</summary>
    public override string ToString() => RunId;
}
