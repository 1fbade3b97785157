namespace NixBuildFarm.Protocol;

/// <summary>What a daemon does with outputs that are valid already.</summary>
internal enum BuildMode
{
    /// <summary>Leave them.</summary>
    Normal = 0,

    /// <summary>Build them again where they are damaged; needs trust.</summary>
    Repair = 1,

    /// <summary>Build them again and compare.</summary>
    Check = 2,
}
