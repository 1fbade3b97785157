using NixBuildFarm.History;

namespace NixBuildFarm.Reporting;

/// <summary>The run that a report compares its own to, and what differs.</summary>
public sealed record ReportComparison
{
    /// <summary>The other run.</summary>
    public required string RunId { get; init; }

    /// <summary>When it began.</summary>
    public required DateTimeOffset Started { get; init; }

    /// <summary>How it ended.</summary>
    public required RunState State { get; init; }

    /// <summary>How long it took in all, in seconds.</summary>
    public required double Seconds { get; init; }

    /// <summary>As <see cref="RunReport.Makespan"/>.</summary>
    public required double Makespan { get; init; }

    /// <summary>As <see cref="RunReport.LowerBound"/>.</summary>
    public double? LowerBound { get; init; }

    /// <summary>The derivations of both.</summary>
    public required IReadOnlyList<NixBuildComparison> Derivations { get; init; }
}
