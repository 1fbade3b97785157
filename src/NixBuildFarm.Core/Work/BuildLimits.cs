namespace NixBuildFarm.Work;

/// <summary>What somebody who asks for a build has set for it, in place of what holds for the run.</summary>
/// <param name="MaxSilentTime">It is ended when it prints nothing for this long; null: as the run has it.</param>
/// <param name="Timeout">It is ended when it takes longer; null: as the run has it.</param>
/// <param name="Cores">The cores that it is allowed; null: as the run has it.</param>
internal sealed record BuildLimits(TimeSpan? MaxSilentTime, TimeSpan? Timeout, int? Cores)
{
    /// <summary>Whether its folder stays when it fails on this machine.</summary>
    public bool KeepFailed { get; init; }

    /// <summary>Nothing is set.</summary>
    public static readonly BuildLimits None = new(null, null, null);
}
