namespace NixBuildFarm.Scheduling.Lending;

/// <summary>Which builds have their compiles done by other builders too.</summary>
public enum ShareMode
{
    /// <summary>None.</summary>
    Never,

    /// <summary>Those that are expected to gain by it.</summary>
    Auto,

    /// <summary>All that can be.</summary>
    Always,
}
