namespace NixBuildFarm.Builders.Listing;

/// <summary>The forms that builders are written in.</summary>
public enum NixBuilderFormat
{
    /// <summary>Nix's own list, as in <c>/etc/nix/machines</c>.</summary>
    MachinesList,

    /// <summary>Lix's list in TOML.</summary>
    Toml,

    /// <summary>A NixOS module that sets <c>nix.buildMachines</c>.</summary>
    NixosModule,
}
