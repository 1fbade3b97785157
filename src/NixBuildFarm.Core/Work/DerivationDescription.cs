using NixBuildFarm.Scheduling;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Work;

/// <summary>Describes derivations to the scheduler.</summary>
internal static class DerivationDescription
{
    /// <summary>A derivation as a job that depends on nothing.</summary>
    public static Job ToJob(this Derivation derivation, string name) => new()
    {
        Name = name,
        PackageName = derivation.PName,
        // Every machine has Nix's own builders, whatever system a derivation names beside them.
        System = derivation.IsBuiltin ? Job.Builtin : derivation.System,
        RequiredFeatures = derivation.RequiredSystemFeatures,
        PreferLocal = derivation.PreferLocalBuild,
        IsFixedOutput = derivation.IsFixedOutput,
        EnableParallelBuilding = derivation.EnableParallelBuilding,
        Inputs = BuildInputs.Of(derivation.InputDerivations.Keys.Select(input => input.Name[..^".drv".Length])),
        StatedMemory = derivation.LeastMemory,
        StatedCores = derivation.LeastCores,
    };
}
