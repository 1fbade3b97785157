using NixBuildFarm.Scheduling;

namespace NixBuildFarm.History;

/// <summary>The compiles of a build of which other builders did some.</summary>
public sealed record SharedCompiles
{
    /// <summary>How many compiles the build asked for.</summary>
    public int Count { get; init; }

    /// <summary>How many of them cannot be done elsewhere.</summary>
    public int Stayed { get; init; }

    /// <summary>How long those took together, in seconds.</summary>
    public double StayedSeconds { get; init; }

    /// <summary>How many others did.</summary>
    public int Shared { get; init; }

    /// <summary>How many had been done before, and were only fetched.</summary>
    public int Reused { get; init; }

    /// <summary>How many were tried elsewhere, and then done at home.</summary>
    public int TakenBack { get; init; }

    /// <summary>Who did how many, the builder of the build among them.</summary>
    public IReadOnlyList<BuilderCompiles> Builders { get; init; } = [];

    /// <summary>How long all of them took together, in seconds; those of other builders as if they had been done at home.</summary>
    public double Seconds { get; init; }

    /// <summary>
    /// The processor time of compiles whose results were found on the builder itself, as it was measured when they were done; null: there
    /// were none, or it is not known.
    /// </summary>
    public TimeSpan? FoundAtHome { get; init; }

    /// <summary>
    /// The processor time that sharing has cost on the builder itself: to read what compiles elsewhere need, and to talk.
    /// </summary>
    public TimeSpan Cost { get; init; }

    /// <summary>How much later the build has begun because it was prepared for sharing.</summary>
    public TimeSpan Preparation { get; init; }

    /// <summary>
    /// How much sooner the build has ended than without; below zero: how much later. It follows from processor time that was measured; null
    /// where nothing was.
    /// </summary>
    public TimeSpan? Saved { get; init; }

    /// <summary>When others compiled, for the report: so many at most that it stays small.</summary>
    public IReadOnlyList<CompileSpan> Spans { get; init; } = [];

    /// <summary>What it teaches of other builds of the package.</summary>
    internal CompileObservation Observation => new(Count - Stayed, Shared, Seconds - StayedSeconds, Saved?.TotalSeconds);

    /// <summary>For people.</summary>
    public override string ToString()
    {
        var others = Builders.Count(builder => !builder.IsHome);
        return $"{Shared} of {Count} on {others} other {(others == 1 ? "builder" : "builders")}";
    }
}

/// <summary>What one builder did of the compiles of a build.</summary>
/// <param name="Builder">The builder.</param>
/// <param name="Count">How many.</param>
/// <param name="Seconds">How long they took together, in seconds.</param>
/// <param name="IsHome">Whether the build itself ran there.</param>
public sealed record BuilderCompiles(string Builder, int Count, double Seconds, bool IsHome)
{
    /// <summary>The processor time of those, as the builder has measured it; null: it does not say.</summary>
    public TimeSpan? ProcessorTime { get; init; }

    /// <summary>For people.</summary>
    public override string ToString() => $"{Builder}: {Count}";
}

/// <summary>A compile elsewhere.</summary>
/// <param name="Builder">Where.</param>
/// <param name="Source">What was compiled.</param>
/// <param name="Started">When it was asked for there.</param>
/// <param name="Seconds">How long it took, in seconds.</param>
public sealed record CompileSpan(string Builder, string Source, DateTimeOffset Started, double Seconds);
