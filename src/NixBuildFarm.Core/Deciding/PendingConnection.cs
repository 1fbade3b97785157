namespace NixBuildFarm.Deciding;

/// <summary>A builder that is to be connected.</summary>
/// <param name="Number">Which one of the run it is.</param>
/// <param name="Builder">Its name.</param>
/// <param name="Cause">Why.</param>
/// <param name="IsAwaited">Whether jobs wait for it: while it is pending, none is given up for want of a builder.</param>
/// <param name="Had">Jobs whose outputs it had when it was lost.</param>
internal sealed record PendingConnection(int Number, string Builder, ConnectCause Cause, bool IsAwaited, IReadOnlyList<RunJob> Had);

/// <summary>Why a builder is connected.</summary>
internal enum ConnectCause
{
    /// <summary>It belongs to the farm, and is connected as the run begins.</summary>
    FirstTime,

    /// <summary>Its quarantine from an earlier run is over, or no other builder can take a job.</summary>
    Quarantine,

    /// <summary>It was lost, or could not be reached, in this run.</summary>
    Return,
}
