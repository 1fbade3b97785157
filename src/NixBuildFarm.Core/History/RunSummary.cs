namespace NixBuildFarm.History;

/// <summary>A run in one line.</summary>
public sealed record RunSummary
{
    /// <summary>Names the run among all.</summary>
    public required string Id { get; init; }

    /// <summary>When it began.</summary>
    public required DateTimeOffset Started { get; init; }

    /// <summary>When it ended; of a run that goes on, or was interrupted, when it was last heard of.</summary>
    public required DateTimeOffset Ended { get; init; }

    /// <summary>How it ended, or that it goes on.</summary>
    public required RunState State { get; init; }

    /// <summary>What was asked for, as the user put it.</summary>
    public required IReadOnlyList<string> Requested { get; init; }

    /// <summary>Derivations in all.</summary>
    public required int Jobs { get; init; }

    /// <summary>How many of them were built.</summary>
    public required int Built { get; init; }

    /// <summary>How many of them are not there, for whatever reason; of a run that goes on, not yet.</summary>
    public required int NotDone { get; init; }
}

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

    /// <summary>What became of one.</summary>
    public NixBuildStatus? Status { get; init; }

    /// <summary>The newest so many; null: all.</summary>
    public int? Newest { get; init; }
}
