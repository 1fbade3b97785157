using System.Text.Json.Serialization;

namespace NixBuildFarm.History;

/// <summary>What has become of a derivation from one run to another.</summary>
public enum NixBuildChange
{
    /// <summary>Its build took longer, by a twentieth and half a second at least.</summary>
    Slower,

    /// <summary>Its build took less time, by as much.</summary>
    Faster,

    /// <summary>Its build took about as long.</summary>
    Alike,

    /// <summary>The earlier run does not have it.</summary>
    New,

    /// <summary>The later run does not have it: nothing needs it any more, or its outputs were there.</summary>
    Gone,

    /// <summary>It failed, and did not before.</summary>
    Failed,

    /// <summary>It failed before, and did not any more.</summary>
    Mended,

    /// <summary>It was not built in both: fetched, there already, not tried, or failed both times.</summary>
    NotBuilt,
}

/// <summary>A derivation in two runs: <c>Then</c> is the run that the other is compared to.</summary>
public sealed class NixBuildComparison
{
    /// <summary>The derivation's name; of one that both runs have, the name in the later.</summary>
    public required string Name { get; init; }

    /// <summary>The system that it builds on.</summary>
    public required string System { get; init; }

    /// <summary>What has become of it.</summary>
    public required NixBuildChange Change { get; init; }

    /// <summary>How it ended; null: the run does not have it, or it goes on.</summary>
    public NixBuildStatus? Status { get; init; }

    /// <summary>The same in the other run.</summary>
    public NixBuildStatus? StatusThen { get; init; }

    /// <summary>How long its build took, in seconds; null: it had none.</summary>
    public double? Seconds { get; init; }

    /// <summary>The same in the other run.</summary>
    public double? SecondsThen { get; init; }

    /// <summary>How many seconds longer it took; null where it was not built in both.</summary>
    public double? Difference { get; init; }

    /// <summary>Its builder; null: it was on none.</summary>
    public string? Builder { get; init; }

    /// <summary>The same in the other run.</summary>
    public string? BuilderThen { get; init; }

    /// <summary>Its path; null: the run does not have it.</summary>
    public string? DerivationPath { get; init; }

    /// <summary>The same in the other run.</summary>
    public string? DerivationPathThen { get; init; }

    /// <summary>The id of the run.</summary>
    [JsonIgnore]
    public string RunId { get; init; } = "";

    /// <summary>The id of the other run.</summary>
    [JsonIgnore]
    public string RunIdThen { get; init; } = "";

    /// <summary>Name and change.</summary>
    public override string ToString() => $"{Name}: {Change}";
}
