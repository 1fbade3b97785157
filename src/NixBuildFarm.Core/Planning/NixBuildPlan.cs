using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Planning;

/// <summary>The step that a run would take for a derivation.</summary>
public enum NixBuildPlanAction
{
    /// <summary>Build it.</summary>
    Build,

    /// <summary>Fetch its outputs from a substituter.</summary>
    Substitute,

    /// <summary>Nothing: its outputs are valid.</summary>
    AlreadyValid,

    /// <summary>Nothing: no builder of the run may build it.</summary>
    NoEligibleBuilder,

    /// <summary>Nothing: something that it needs would not be built.</summary>
    DependencyFailed,
}

/// <summary>The plan for one derivation: what, where and when.</summary>
public sealed class NixBuildPlan
{
    /// <summary>The derivation's name, e.g. <c>hello-2.12</c>.</summary>
    public required string Name { get; init; }

    /// <summary>The path of the derivation.</summary>
    public required string DerivationPath { get; init; }

    /// <summary>The system that it builds on.</summary>
    public required string System { get; init; }

    /// <summary>The step.</summary>
    public required NixBuildPlanAction Action { get; init; }

    /// <summary>Where; null where nothing is to be built.</summary>
    public string? Builder { get; init; }

    /// <summary>When its build would begin, from the beginning of the first.</summary>
    public TimeSpan? Start { get; init; }

    /// <summary>When its build would end.</summary>
    public TimeSpan? End { get; init; }

    /// <summary>How long its build would take there, by all that is known of it.</summary>
    public TimeSpan? Duration => End - Start;

    /// <summary>Whether that is a guess: no build of this package is known, here or in the table of packages.</summary>
    public bool IsGuess => EstimateSource == Scheduling.EstimateSource.Guess;

    /// <summary>The same in seconds, for Measure-Object.</summary>
    public double? Seconds => Duration?.TotalSeconds;

    /// <summary>Where that is known from; null where nothing is to be built.</summary>
    public EstimateSource? EstimateSource { get; init; }

    /// <summary>The cores that it would be allowed; 0: all of its machine; null where nothing is to be built.</summary>
    public int? Cores { get; init; }

    /// <summary>Why this, and why there.</summary>
    public required string Why { get; init; }

    /// <summary>Whether the user asked for it, rather than something that the user asked for.</summary>
    public bool IsRequested { get; init; }

    /// <summary>The name.</summary>
    public override string ToString() => Name;
}
