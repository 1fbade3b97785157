namespace NixBuildFarm.History;

/// <summary>Chooses runs. Conditions on derivations have to be met by one and the same.</summary>
public sealed record RunFilter
{
    /// <summary>How the run ended.</summary>
    public RunState? State { get; init; }

    /// <summary>Runs that began then or later.</summary>
    public DateTimeOffset? After { get; init; }

    /// <summary>Runs that began before.</summary>
    public DateTimeOffset? Before { get; init; }

    /// <summary>Name of a derivation; <c>*</c> and <c>?</c> stand for anything, case does not matter.</summary>
    public string? Name { get; init; }

    /// <summary>Name of a builder that worked on one; <c>*</c> and <c>?</c> stand for anything, case does not matter.</summary>
    public string? Builder { get; init; }

    /// <summary>Status of a derivation.</summary>
    public NixBuildStatus? Status { get; init; }

    /// <summary>The newest so many; null: all.</summary>
    public int? Newest { get; init; }
}
