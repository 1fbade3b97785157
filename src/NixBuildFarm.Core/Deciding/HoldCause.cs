namespace NixBuildFarm.Deciding;

/// <summary>Why a builder takes no new builds for the time being.</summary>
internal enum HoldCause
{
    /// <summary>It takes them.</summary>
    None,

    /// <summary>Its owner uses it.</summary>
    Owner,

    /// <summary>Its store or the folder that builds work in is as good as full.</summary>
    Space,

    /// <summary>Its memory is as good as full.</summary>
    Memory,

    /// <summary>Its programs wait for memory.</summary>
    Pressure,

    /// <summary>Others use its processors.</summary>
    Load,
}
