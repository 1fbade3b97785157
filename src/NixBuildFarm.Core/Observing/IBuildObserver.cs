using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.History;

namespace NixBuildFarm.Observing;

/// <summary>Is told what happens in a run. Called from any thread, one call at a time; must return soon.</summary>
public interface IBuildObserver
{
    /// <summary>A derivation has ended, for good.</summary>
    void Ended(NixBuildResult result);

    /// <summary>A builder cannot be used, or not any more. The run goes on without it.</summary>
    void BuilderFailed(NixBuilder builder, NixBuildFarmException error);

    /// <summary>The history cannot be used. The run goes on without it.</summary>
    void HistoryFailed(HistoryException error);

    /// <summary>A decision was taken, and why.</summary>
    void Decided(string message);

    /// <summary>The run is not as good as it should be.</summary>
    void Degraded(string message);

    /// <summary>A build has printed a line.</summary>
    void Printed(RunningBuild build, string line);

    /// <summary>Something has begun, gone on or ended.</summary>
    void Progressed(RunProgress progress);
}

/// <summary>A build that is under way.</summary>
/// <param name="Name">The derivation's name.</param>
/// <param name="Builder">Where it is built.</param>
/// <param name="Since">When that began.</param>
/// <param name="Phase">What it does: the phase that the build names, or <c>supplying</c>.</param>
public sealed record RunningBuild(string Name, string Builder, DateTimeOffset Since, string Phase)
{
    /// <summary>The path of the derivation.</summary>
    public string DerivationPath { get; init; } = "";

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
