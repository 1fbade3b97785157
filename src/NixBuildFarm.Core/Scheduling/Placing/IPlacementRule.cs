namespace NixBuildFarm.Scheduling.Placing;

/// <summary>Chooses a builder for one job.</summary>
internal interface IPlacementRule
{
    /// <summary>The best place for a job.</summary>
    /// <param name="job">The job.</param>
    /// <param name="now">The time.</param>
    /// <param name="mayWait">Whether it may be a builder that is busy.</param>
    Place Best(int job, double now, bool mayWait);
}
