using NixBuildFarm.Builders;

namespace NixBuildFarm.Observing;

/// <summary>A build that is under way.</summary>
/// <param name="Name">The derivation's name.</param>
/// <param name="Builder">Where it is built.</param>
/// <param name="Since">When that began.</param>
/// <param name="Phase">The phase that the build reports, or <c>supplying</c>.</param>
public sealed record RunningBuild(string Name, string Builder, DateTimeOffset Since, string Phase)
{
    /// <summary>The path of the derivation.</summary>
    public string DerivationPath { get; init; } = "";

    /// <summary>The compiles of it that are under way, where other builders may do some of them; null: nothing of it is shared.</summary>
    public CompilesUnderWay? Compiles { get; init; }

    /// <summary>The expected duration of the build, without supply; null where there is no estimate.</summary>
    public TimeSpan? Expected { get; init; }

    /// <summary>Whether that is a guess: no build of this package is known.</summary>
    public bool IsGuess { get; init; }

    /// <summary>The file with its log; null while its inputs are still on their way.</summary>
    public string? LogPath { get; init; }
}

/// <summary>Where a run stands.</summary>
/// <param name="Total">Derivations to be built or substituted.</param>
/// <param name="Done">How many of them are.</param>
/// <param name="Failed">How many have failed, or are not tried because of that.</param>
/// <param name="Running">The running builds.</param>
public sealed record RunProgress(int Total, int Done, int Failed, IReadOnlyList<RunningBuild> Running)
{
    /// <summary>How long it will take still, as far as estimates say; null where nothing can be said.</summary>
    public TimeSpan? Remaining { get; init; }

    /// <summary>Whether that is a guess: it rests on guesses for the greater part.</summary>
    public bool IsRemainingGuess { get; init; }

    /// <summary>What machines have, as they last told, by the name of their builder.</summary>
    public IReadOnlyDictionary<string, MachineReading> Machines { get; init; } = new Dictionary<string, MachineReading>();

    /// <summary>How many of all come from a substituter.</summary>
    public int Substitutions { get; init; }

    /// <summary>How many times outputs of a derivation are still to be put into a store.</summary>
    public int Pushing { get; init; }

    /// <summary>Bytes of NARs that were sent for ended derivations.</summary>
    public long Supplied { get; init; }

    /// <summary>
    /// Number of derivations that have not begun. A derivation that is rebuilt since its builder was lost counts as done and as running.
    /// </summary>
    public int Waiting => Math.Max(0, Total - Done - Failed - Running.Count);
}
