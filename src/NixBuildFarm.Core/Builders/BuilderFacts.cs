namespace NixBuildFarm.Builders;

/// <summary>What a builder reports about itself.</summary>
internal sealed record BuilderFacts
{
    /// <summary>The version of its Nix; null before Nix 2.7, which does not tell.</summary>
    public string? NixVersion { get; init; }

    /// <summary>The version of the protocol that is spoken with it, e.g. <c>1.38</c>.</summary>
    public required string Protocol { get; init; }

    /// <summary>Whether the login is one of its <c>trusted-users</c>, and so may have anything built there.</summary>
    public required bool Trusted { get; init; }

    /// <summary>Its own system; null when it does not tell.</summary>
    public string? System { get; init; }

    /// <summary>Its own <c>system-features</c>; null when it does not tell.</summary>
    public IReadOnlyList<string>? Features { get; init; }

    /// <summary>The machine below its Nix.</summary>
    public BuilderMachine Machine { get; init; } = new();

    /// <summary>
    /// Whether <c>nix-daemon</c> keeps settings to itself for a login that is not root: it is a client of the daemon that builds, and since
    /// 2.20 connects to it before it knows them. Lix, whose versions begin with 2.90, does not. [runDaemon in src/nix/unix/daemon.cc of
    /// NixOS/nix]
    /// </summary>
    public bool KeepsSettings =>
        Machine.IsRoot == false && VersionNumber() is { } version && version >= new Version(2, 20) && version < new Version(2, 90);

    private Version? VersionNumber() =>
        NixVersion?.Split(['.', '-', 'p'], 3) is [var major, var minor, ..] && Version.TryParse($"{major}.{minor}", out var version)
            ? version
            : null;
}
