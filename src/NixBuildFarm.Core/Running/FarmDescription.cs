using NixBuildFarm.Builders;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Running;

/// <summary>Describes builders to the scheduler.</summary>
public static class FarmDescription
{
    /// <summary>A builder as it is configured, under its policy.</summary>
    public static FarmBuilder ToFarmBuilder(this NixBuilder builder) => new()
    {
        Name = builder.Name,
        IsLocal = builder.IsLocal,
        Systems = [.. builder.Systems.Select(system => new SystemSpeed(system, builder.SpeedFactor))],
        MaxJobs = builder.MaxJobs,
        Cores = builder.Cores ?? 0,
        SupportedFeatures = builder.SupportedFeatures,
        MandatoryFeatures = builder.MandatoryFeatures,
    };
}
