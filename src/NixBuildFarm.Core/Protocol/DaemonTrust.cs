namespace NixBuildFarm.Protocol;

/// <summary>Whether a daemon trusts the user of the connection.</summary>
internal enum DaemonTrust
{
    /// <summary>It does not say: Nix before 2.15, or a store that does not know.</summary>
    Unknown = 0,

    /// <summary>One of its trusted-users.</summary>
    Trusted = 1,

    /// <summary>Not one of its trusted-users.</summary>
    NotTrusted = 2,
}
