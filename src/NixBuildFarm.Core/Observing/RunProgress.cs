namespace NixBuildFarm.Observing;

/// <summary>A build that is under way.</summary>
/// <param name="Name">The derivation's name.</param>
/// <param name="Builder">Where it is built.</param>
/// <param name="Since">When that began.</param>
/// <param name="Phase">What it does: the phase that the build names, or <c>supplying</c>.</param>
public sealed record RunningBuild(string Name, string Builder, DateTimeOffset Since, string Phase)
{
    /// <summary>The path of the derivation.</summary>
    public string DerivationPath { get; init; } = "";

    /// <summary>The compiles of it that are under way, where other builders may do some of them; null: nothing of it is shared.</summary>
    public CompilesUnderWay? Compiles { get; init; }

    /// <summary>How long the build is expected to take there, supply left out; null where nobody knows.</summary>
    public TimeSpan? Expected { get; init; }
}

/// <summary>Where a run stands.</summary>
/// <param name="Total">Derivations to be built or substituted.</param>
/// <param name="Done">How many of them are.</param>
/// <param name="Failed">How many have failed, or are not tried because of that.</param>
/// <param name="Running">What is under way.</param>
public sealed record RunProgress(int Total, int Done, int Failed, IReadOnlyList<RunningBuild> Running)
{
    /// <summary>How long it will take still, as far as estimates say; null where nothing can be said.</summary>
    public TimeSpan? Remaining { get; init; }

    /// <summary>Bytes of NARs that were sent for what has ended.</summary>
    public long Supplied { get; init; }

    /// <summary>How many have not begun. What was built, and is built again since its builder was lost, is done and running.</summary>
    public int Waiting => Math.Max(0, Total - Done - Failed - Running.Count);
}
