using NixBuildFarm.History;
using NixBuildFarm.Protocol;
using NixBuildFarm.Store;

namespace NixBuildFarm.Deciding;

/// <summary>Outputs that are copied back to the local store.</summary>
/// <param name="Number">Which copy of the run it is.</param>
/// <param name="Attempt">The attempt that made them.</param>
/// <param name="Outcome">What the builder said of the build.</param>
/// <param name="Outputs">The paths.</param>
internal sealed record CopyHome(int Number, Attempt Attempt, BuildOutcome Outcome, IReadOnlyList<StorePath> Outputs)
{
    /// <summary>Whether only a push needs them here.</summary>
    public bool IsForPush { get; init; }

    /// <summary>How often the copy has failed while the builder was well.</summary>
    public int Failures { get; init; }

    /// <summary>What becomes of the job when the outputs are here.</summary>
    public NixBuildStatus Status => Outcome.Result.Status switch
    {
        BuildStatus.Built => NixBuildStatus.Built,
        BuildStatus.Substituted => NixBuildStatus.Substituted,
        _ => NixBuildStatus.AlreadyValid,
    };
}
