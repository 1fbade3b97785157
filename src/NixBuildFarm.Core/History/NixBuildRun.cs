namespace NixBuildFarm.History;

/// <summary>A past run: what was asked for, when, and what came of it.</summary>
public sealed class NixBuildRun
{
    /// <summary>Names the run among all; its beginning is the time.</summary>
    public required string RunId { get; init; }

    /// <summary>How it ended, or that it goes on.</summary>
    public required RunState State { get; init; }

    /// <summary>When it began.</summary>
    public required DateTimeOffset Started { get; init; }

    /// <summary>How long it took in all; of a run that goes on, or was interrupted, as far as is known.</summary>
    public required TimeSpan Duration { get; init; }

    /// <summary>The same in seconds, for Measure-Object.</summary>
    public double Seconds => Duration.TotalSeconds;

    /// <summary>What was asked for, as the user put it.</summary>
    public required IReadOnlyList<string> Requested { get; init; }

    /// <summary>How many derivations there were to be built or fetched, or were there already.</summary>
    public required int Derivations { get; init; }

    /// <summary>How many were built.</summary>
    public required int Built { get; init; }

    /// <summary>How many are not there, for whatever reason.</summary>
    public required int NotDone { get; init; }

    /// <summary>Makes one of what the history says of it.</summary>
    public static NixBuildRun Of(RunSummary run) => new()
    {
        RunId = run.Id,
        State = run.State,
        Started = run.Started,
        Duration = run.Ended - run.Started,
        Requested = run.Requested,
        Derivations = run.Jobs,
        Built = run.Built,
        NotDone = run.NotDone,
    };

    /// <summary>The id.</summary>
    public override string ToString() => RunId;
}
