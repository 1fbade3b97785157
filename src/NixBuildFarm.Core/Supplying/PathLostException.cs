using NixBuildFarm.Errors;
using NixBuildFarm.Store;

namespace NixBuildFarm.Supplying;

/// <summary>No builder has a path that is needed: it has to be built again.</summary>
internal sealed class PathLostException(StorePath path)
    : NixBuildFarmException(
        "PathLost", $"No builder of this run has {path} any more.", "Start the run again: what is missing is built again.")
{
    /// <summary>The path.</summary>
    public StorePath Path { get; } = path;
}
