namespace NixBuildFarm.Builders.Policies;

/// <summary>Which outputs are pushed to other stores.</summary>
public enum PushScope
{
    /// <summary>All that is built.</summary>
    All,

    /// <summary>Only what was asked for, and the paths that it refers to.</summary>
    Requested,
}
