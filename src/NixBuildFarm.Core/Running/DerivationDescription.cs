using NixBuildFarm.Scheduling;
using NixBuildFarm.Store;

namespace NixBuildFarm.Running;

/// <summary>Describes derivations to the scheduler.</summary>
internal static class DerivationDescription
{
    /// <summary>A derivation as a job that depends on nothing.</summary>
    public static Job ToJob(this Derivation derivation, string name) => new()
    {
        Name = name,
        PackageName = derivation.PName,
        System = derivation.System,
        RequiredFeatures = derivation.RequiredSystemFeatures,
        PreferLocal = derivation.PreferLocalBuild,
        IsFixedOutput = derivation.IsFixedOutput,
        EnableParallelBuilding = derivation.EnableParallelBuilding,
    };
}
