namespace NixBuildFarm.Builders.Policies;

/// <summary>What a builder does where the compiles of one build are shared.</summary>
public enum ShareRole
{
    /// <summary>It does compiles for others, and others do those of its builds.</summary>
    All,

    /// <summary>It does compiles for others; its own builds are left alone.</summary>
    Helps,

    /// <summary>Others do compiles of its builds; it does none for them.</summary>
    IsHelped,

    /// <summary>Neither.</summary>
    None,
}
