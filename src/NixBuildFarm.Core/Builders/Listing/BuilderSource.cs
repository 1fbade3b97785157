using NixBuildFarm.Builders.Nixos;

namespace NixBuildFarm.Builders.Listing;

/// <summary>Where builders are described. Without a file: in Nix's own configuration.</summary>
public sealed record BuilderSource
{
    /// <summary>Nix's setting <c>builders</c>, usually the file <c>/etc/nix/machines</c>.</summary>
    public static BuilderSource Configured { get; } = new();

    /// <summary>A machines list, Nix's own or Lix's in TOML; null: none.</summary>
    public string? List { get; init; }

    /// <summary>A NixOS module; null: none.</summary>
    public string? NixosModule { get; init; }

    /// <summary>Arguments that the module gets beside those that NixOS gives, as a set in the language of Nix; null: none.</summary>
    public string? ModuleArguments { get; init; }

    /// <summary>A whole system of a flake; null: none.</summary>
    public FlakeSystem? System { get; init; }
}
