namespace NixBuildFarm.Store;

/// <summary>A store's information on one valid path.</summary>
internal sealed record PathInfo
{
    /// <summary>The path itself.</summary>
    public required StorePath Path { get; init; }

    /// <summary>The derivation that made it, where known.</summary>
    public StorePath? Deriver { get; init; }

    /// <summary>The hash of its NAR.</summary>
    public required Sha256Hash NarHash { get; init; }

    /// <summary>The size of its NAR in bytes; 0 when the store does not know.</summary>
    public long NarSize { get; init; }

    /// <summary>The paths it refers to, itself among them where it does.</summary>
    public IReadOnlyList<StorePath> References { get; init; } = [];

    /// <summary>When the store took it in.</summary>
    public DateTimeOffset RegistrationTime { get; init; }

    /// <summary>Whether the store built it itself, and so trusts it without signature.</summary>
    public bool Ultimate { get; init; }

    /// <summary>Signatures, each <c>KEYNAME:BASE64</c>.</summary>
    public IReadOnlyList<string> Signatures { get; init; } = [];

    /// <summary>The content address, e.g. <c>fixed:r:sha256:…</c>; null for an input-addressed path.</summary>
    public string? ContentAddress { get; init; }
}
