namespace NixBuildFarm.Planning;

/// <summary>A plan of a run: its steps, and what they come to.</summary>
/// <param name="Steps">First the requested derivations that are valid already, then the others in the order of their start.</param>
/// <param name="Outlook">What they come to.</param>
public sealed record RunPlan(IReadOnlyList<NixBuildPlan> Steps, PlanOutlook Outlook);

/// <summary>What a plan comes to: how long it takes, where, and what is sent and fetched.</summary>
public sealed record PlanOutlook
{
    /// <summary>How long the run takes; null where nothing is to be built.</summary>
    public PlanSpan? Span { get; init; }

    /// <summary>Whether the run rests on guesses for the greater part: of most of the work, no build of its package is known.</summary>
    public bool IsGuess { get; init; }

    /// <summary>Paths that are fetched from substituters, closures included.</summary>
    public int FetchedPaths { get; init; }

    /// <summary>Bytes to download for them, compressed.</summary>
    public long DownloadBytes { get; init; }

    /// <summary>Bytes that they unpack to.</summary>
    public long UnpackedBytes { get; init; }

    /// <summary>
    /// By builder: bytes of this machine's paths that its builds need, closures included. What it has of them already is not sent, and no
    /// builder was asked.
    /// </summary>
    public IReadOnlyDictionary<string, long> InputBytes { get; init; } = new Dictionary<string, long>();
}
