using NixBuildFarm.Errors;

namespace NixBuildFarm.Scheduling;

/// <summary>One build that succeeded, or was killed for its memory, as history keeps it.</summary>
public sealed record BuildObservation
{
    /// <summary>What the package is called across versions: see <see cref="PackagePriors.KeyOf"/>.</summary>
    public required string Package { get; init; }

    /// <summary>The platform it was built for.</summary>
    public required string System { get; init; }

    /// <summary>The builder's name.</summary>
    public required string Builder { get; init; }

    /// <summary>Duration of the build itself: no waiting, no transfers.</summary>
    public required double Seconds { get; init; }

    /// <summary>What the build was allowed to use.</summary>
    public int Cores { get; init; } = Estimate.ReferenceCores;

    /// <summary>Whether it builds in parallel.</summary>
    public bool EnableParallelBuilding { get; init; }

    /// <summary>The builder's configured speed factor at the time.</summary>
    public double SpeedFactor { get; init; } = 1;

    /// <summary>Size of its outputs.</summary>
    public long OutputBytes { get; init; }

    /// <summary>The most memory that it had at a time, in bytes; null where that was not seen.</summary>
    public long? PeakMemory { get; init; }

    /// <summary>Whether it was killed when memory ran out. It takes more than <see cref="PeakMemory"/>; nothing else follows.</summary>
    public bool WasKilled { get; init; }

    /// <summary>Processor time that it took, of user and kernel; null where that was not seen.</summary>
    public double? ProcessorSeconds { get; init; }

    /// <summary>Its compiles; null: it was not shared.</summary>
    public CompileObservation? Compiles { get; init; }

    /// <summary>The part of its time, from 0 to 1, after which its check phase began; null: it had none, or that was not seen.</summary>
    public double? CheckAt { get; init; }

    /// <summary>The same for its install phase.</summary>
    public double? InstallAt { get; init; }

    /// <summary>Who says so.</summary>
    public EstimateSource Source { get; init; } = EstimateSource.Run;

    /// <summary>
    /// Tells it from other builds of its package on its builder that the same source tells of, so that it is kept once; null: nothing does,
    /// and it is kept as often as it is added.
    /// </summary>
    public string? Origin { get; init; }

    /// <summary>When it ended.</summary>
    public DateTimeOffset At { get; init; }
}

/// <summary>What the end of a shared build tells of its compiles.</summary>
/// <param name="Count">How many there were that a helper could do.</param>
/// <param name="Shared">How many of them helpers did.</param>
/// <param name="Seconds">What all that a helper could do took together, those of helpers by the speed of the build's own builder.</param>
/// <param name="SavedSeconds">
/// How much longer the build would have taken without help; below zero: how much shorter; null: not known.
/// </param>
public sealed record CompileObservation(int Count, int Shared, double Seconds, double? SavedSeconds);

/// <summary>One transfer that was large enough to tell something of the link.</summary>
public sealed record TransferObservation
{
    /// <summary>The builder's name.</summary>
    public required string Builder { get; init; }

    /// <summary>True: to the builder; false: from it.</summary>
    public required bool ToBuilder { get; init; }

    /// <summary>What was moved.</summary>
    public required long Bytes { get; init; }

    /// <summary>How long it took.</summary>
    public required double Seconds { get; init; }

    /// <summary>When it ended.</summary>
    public DateTimeOffset At { get; init; }
}

/// <summary>What earlier runs have taught. Behind it is a database, or nothing. Safe for concurrent use.</summary>
/// <remarks>All of it throws <see cref="HistoryException"/> where the history cannot be used.</remarks>
public interface IBuildHistory
{
    /// <summary>The builds of these packages, oldest first; a few dozen of the newest for each package and system suffice.</summary>
    IReadOnlyList<BuildObservation> Builds(IReadOnlySet<string> packages);

    /// <summary>The newest transfers of each builder and direction, oldest first.</summary>
    IReadOnlyList<TransferObservation> Transfers();

    /// <summary>Keeps what a run has seen for later runs: all of it, or nothing when it throws.</summary>
    void Add(IReadOnlyCollection<BuildObservation> builds, IReadOnlyCollection<TransferObservation> transfers);
}
