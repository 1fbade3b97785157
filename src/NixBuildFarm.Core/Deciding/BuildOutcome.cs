using NixBuildFarm.FollowUp;
using NixBuildFarm.History;
using NixBuildFarm.Protocol;
using NixBuildFarm.Store;

namespace NixBuildFarm.Deciding;

/// <summary>What an attempt came to.</summary>
/// <param name="Result">What the builder's daemon said.</param>
/// <param name="Outputs">Where the outputs are, by name, as far as they are what was asked for.</param>
/// <param name="LogPath">The file with the log; null where none could be made.</param>
/// <param name="LogTail">The log's last lines.</param>
internal sealed record BuildOutcome(
    BuildResult Result, IReadOnlyDictionary<string, StorePath> Outputs, string? LogPath, IReadOnlyList<string> LogTail)
{
    /// <summary>When the build ended.</summary>
    public required DateTimeOffset Ended { get; init; }

    /// <summary>Bytes of the NARs of its outputs.</summary>
    public required long OutputBytes { get; init; }

    /// <summary>Whether nothing was built: once its inputs were known, the local store turned out to have the outputs.</summary>
    public bool WasAtHome { get; init; }

    /// <summary>The most memory that the build had at a time, in bytes; null: that was not seen.</summary>
    public long? PeakMemory { get; init; }

    /// <summary>Processor time that the build took, of user and kernel; null: that was not seen.</summary>
    public TimeSpan? ProcessorTime { get; init; }

    /// <summary>Its compiles; null: it was not shared.</summary>
    public SharedCompiles? Shared { get; init; }

    /// <summary>The phase that the build was in when it ended, as it names it; null: it names none.</summary>
    public string? Phase { get; init; }

    /// <summary>The directory of the failed build; null: none is kept.</summary>
    public KeptFolder? Kept { get; init; }

    /// <summary>Why the log is not whole, or not there; null: it is.</summary>
    public string? LogProblem { get; init; }
}
