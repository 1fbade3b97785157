namespace NixBuildFarm.Scheduling.Playing;

/// <summary>What else happens in a simulated run.</summary>
internal sealed record SimulationOptions
{
    /// <summary>Builders that are lost, drained, changed or join, each at its time.</summary>
    public IReadOnlyList<SchedulingEvent> Disturbances { get; init; } = [];

    /// <summary>Asked at the end of each build (job, builder): how it fails; null: it succeeds.</summary>
    public Func<int, int, FailureKind?>? Failure { get; init; }

    /// <summary>Learns during the run; null: the first estimates stay.</summary>
    public RunEstimates? Estimates { get; init; }

    /// <summary>Told of each decision before it is carried out; what it throws ends the simulation.</summary>
    public Action<SchedulingDecision>? Decided { get; init; }
}
