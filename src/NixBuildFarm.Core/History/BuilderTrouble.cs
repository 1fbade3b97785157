namespace NixBuildFarm.History;

/// <summary>A builder that could not be reached, was lost, or failed again and again: later runs leave it alone for a while, too.</summary>
public sealed record BuilderTrouble
{
    /// <summary>The longest quarantine.</summary>
    internal static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(5);

    /// <summary>The builder's name.</summary>
    public required string Builder { get; init; }

    /// <summary>How often it was quarantined since its last successful build; 0: it is healthy.</summary>
    public required int Openings { get; init; }

    /// <summary>The end of the quarantine.</summary>
    public required DateTimeOffset Until { get; init; }

    /// <summary>The last fault.</summary>
    public required string Reason { get; init; }

    /// <summary>The rest of the quarantine; never longer than the longest one, even if a clock was changed.</summary>
    internal TimeSpan PauseAt(DateTimeOffset now) =>
        TimeSpan.FromSeconds(Math.Clamp((Until - now).TotalSeconds, 0, LongestPause.TotalSeconds));
}
