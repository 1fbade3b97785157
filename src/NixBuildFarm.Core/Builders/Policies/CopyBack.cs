namespace NixBuildFarm.Builders.Policies;

/// <summary>Which outputs come back to the local store.</summary>
public enum CopyBack
{
    /// <summary>All that is built; what was not asked for comes in the background.</summary>
    All,

    /// <summary>Only what was asked for, and what that refers to.</summary>
    Requested,

    /// <summary>Nothing: the outputs stay where they were built.</summary>
    None,
}
