namespace NixBuildFarm.History;

/// <summary>A builder that could not be reached, was lost, or failed again and again: later runs leave it alone for a while, too.</summary>
public sealed record BuilderTrouble
{
    /// <summary>No builder is left alone for longer.</summary>
    internal static readonly TimeSpan LongestPause = TimeSpan.FromMinutes(5);

    /// <summary>The builder's name.</summary>
    public required string Builder { get; init; }

    /// <summary>How often it was left alone since it last built something; 0: it is well again.</summary>
    public required int Openings { get; init; }

    /// <summary>Until when it is left alone.</summary>
    public required DateTimeOffset Until { get; init; }

    /// <summary>What happened.</summary>
    public required string Reason { get; init; }

    /// <summary>For how long it is left alone yet. However a clock was set meanwhile, this is never long.</summary>
    internal TimeSpan PauseAt(DateTimeOffset now) =>
        TimeSpan.FromSeconds(Math.Clamp((Until - now).TotalSeconds, 0, LongestPause.TotalSeconds));
}
