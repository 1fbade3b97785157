namespace NixBuildFarm.Builders.Policies;

/// <summary>Which outputs come back to the local store.</summary>
public enum CopyBack
{
    /// <summary>All outputs; those that were not asked for in the background.</summary>
    All,

    /// <summary>Only outputs that were asked for, and the paths that they refer to.</summary>
    Requested,

    /// <summary>Nothing: the outputs stay where they were built.</summary>
    None,
}
