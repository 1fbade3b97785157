using NixBuildFarm.Errors;
using NixBuildFarm.Store;

namespace NixBuildFarm.Supplying;

/// <summary>A builder's copy of a path does not have the registered hash.</summary>
internal sealed class DamagedPathException(string builder, StorePath path, Exception cause) : NixBuildFarmException(
    "DamagedPath",
    $"The copy of {path} on {builder} is damaged, and was refused: {cause.Message}",
    $"Repair or delete it on {builder}: nix-store --repair-path {path}, or nix-store --delete {path}",
    cause)
{
    /// <summary>The builder with the damaged copy.</summary>
    public string Builder { get; } = builder;

    /// <summary>The path.</summary>
    public StorePath Path { get; } = path;
}
