namespace NixBuildFarm.Store;

/// <summary>
/// A build step: what runs, on which system, from which inputs, to which outputs. The content of a <c>.drv</c> file.
/// </summary>
public sealed class Derivation
{
    /// <summary>The outputs by name, sorted as Nix sorts them.</summary>
    public required IReadOnlyDictionary<string, DerivationOutput> Outputs { get; init; }

    /// <summary>The derivations it needs, each with the names of the outputs that it uses.</summary>
    public required IReadOnlyDictionary<StorePath, IReadOnlyList<string>> InputDerivations { get; init; }

    /// <summary>Store paths it needs that no derivation makes.</summary>
    public required IReadOnlyList<StorePath> InputSources { get; init; }

    /// <summary>The platform it builds on, e.g. <c>riscv64-linux</c>, or <c>builtin</c>.</summary>
    public required string System { get; init; }

    /// <summary>The program that builds; <c>builtin:NAME</c> for Nix's own.</summary>
    public required string Builder { get; init; }

    /// <summary>The program's arguments.</summary>
    public required IReadOnlyList<string> Arguments { get; init; }

    /// <summary>The program's environment.</summary>
    public required IReadOnlyDictionary<string, string> Environment { get; init; }
}
