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
}
