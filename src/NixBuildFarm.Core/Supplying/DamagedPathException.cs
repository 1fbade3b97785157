using NixBuildFarm.Errors;
using NixBuildFarm.Store;

namespace NixBuildFarm.Supplying;

/// <summary>A builder's copy of a path is not what the builder has registered.</summary>
internal sealed class DamagedPathException(string builder, StorePath path, Exception cause) : NixBuildFarmException(
    "DamagedPath",
    $"What {builder} has of {path} is damaged, and was refused: {cause.Message}",
    $"Mend or delete it on {builder}: nix-store --repair-path {path}, or nix-store --delete {path}",
    cause)
{
    /// <summary>The builder with the damaged copy.</summary>
    public string Builder { get; } = builder;

    /// <summary>The path.</summary>
    public StorePath Path { get; } = path;
}
