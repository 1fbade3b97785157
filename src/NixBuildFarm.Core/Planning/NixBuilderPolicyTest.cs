namespace NixBuildFarm.Planning;

/// <summary>Whether a builder would take a derivation, and when it would be done, or why it would not.</summary>
public sealed class NixBuilderPolicyTest
{
    /// <summary>The builder.</summary>
    public required string Name { get; init; }

    /// <summary>The derivation's name.</summary>
    public required string Derivation { get; init; }

    /// <summary>The path of the derivation.</summary>
    public required string DerivationPath { get; init; }

    /// <summary>Whether the builder may take it.</summary>
    public required bool Eligible { get; init; }

    /// <summary>Whether it would get the derivation if all builders were idle.</summary>
    public bool IsChosen { get; init; }

    /// <summary>The condition that fails; null where none does.</summary>
    public string? Reason { get; init; }

    /// <summary>How long the build would take there, by all that is known of it; null where it may not.</summary>
    public TimeSpan? EstimatedDuration { get; init; }

    /// <summary>Whether that is a guess: no build of this package is known, here or in the table of packages.</summary>
    public bool IsGuess { get; init; }

    /// <summary>When it would be done there, from now, if the builder is idle and has the inputs; null where it may not.</summary>
    public TimeSpan? EstimatedFinish { get; init; }

    /// <summary>The builder's name.</summary>
    public override string ToString() => Name;
}
