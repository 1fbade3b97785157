namespace NixBuildFarm.Store.Derivations;

/// <summary>How an output gets its path.</summary>
internal enum DerivationOutputKind
{
    /// <summary>The path follows from the derivation and is known before the build.</summary>
    InputAddressed,

    /// <summary>Path and content hash are known before the build.</summary>
    Fixed,

    /// <summary>The path follows from the content and is known after the build.</summary>
    FloatingContentAddressed,

    /// <summary>An input-addressed output that depends on a floating one: its path is known after that one is built.</summary>
    Deferred,

    /// <summary>Built anew each time.</summary>
    Impure,
}

/// <summary>One output of a derivation, as the derivation states it.</summary>
/// <param name="Path">Null where it is known only after the build.</param>
/// <param name="HashAlgorithm">E.g. <c>r:sha256</c>; empty for input-addressed and deferred outputs.</param>
/// <param name="Hash">Hex digits; <c>impure</c> for impure outputs; empty where there is none.</param>
internal sealed record DerivationOutput(StorePath? Path, string HashAlgorithm, string Hash)
{
    /// <summary>The content address of an output whose content is known before the build, as stores write it; null for others.</summary>
    public string? ContentAddress
    {
        get
        {
            if (Kind != DerivationOutputKind.Fixed) return null;
            if (Hash.Length % 2 != 0 || !Hash.All(char.IsAsciiHexDigit)) return null;
            var address = $"{HashAlgorithm}:{NixBase32.Encode(Convert.FromHexString(Hash))}";
            if (!IsText) address = $"fixed:{address}";
            return Store.ContentAddress.TryParse(address, out _) ? address : null;
        }
    }

    /// <summary>Whether it is a text, with the references that it mentions: a <c>.drv</c> file, say.</summary>
    public bool IsText => HashAlgorithm.StartsWith("text:", StringComparison.Ordinal);

    /// <summary>How the output gets its path, which Nix tells from the fields that are empty.</summary>
    public DerivationOutputKind Kind => (Path, HashAlgorithm, Hash) switch
    {
        (_, _, "impure") => DerivationOutputKind.Impure,
        (null, "", _) => DerivationOutputKind.Deferred,
        (null, _, _) => DerivationOutputKind.FloatingContentAddressed,
        (_, "", _) => DerivationOutputKind.InputAddressed,
        _ => DerivationOutputKind.Fixed,
    };
}
