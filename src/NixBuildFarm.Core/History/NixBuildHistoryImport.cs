using NixBuildFarm.Scheduling;

namespace NixBuildFarm.History;

/// <summary>What the history has taken over of builds that others know of.</summary>
public sealed class NixBuildHistoryImport
{
    /// <summary>Who told of them.</summary>
    public required EstimateSource Source { get; init; }

    /// <summary>The file, or the name of the builder.</summary>
    public required string From { get; init; }

    /// <summary>How many builds it told of.</summary>
    public required int Found { get; init; }

    /// <summary>How many of them are new, and kept.</summary>
    public required int Imported { get; init; }

    /// <summary>What was taken over, from where.</summary>
    public override string ToString() => $"{Imported} of {Found} builds from {From}";
}
