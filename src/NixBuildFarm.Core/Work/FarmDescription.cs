using NixBuildFarm.Builders;
using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Work;

/// <summary>Describes builders to the scheduler.</summary>
public static class FarmDescription
{
    /// <summary>A builder as it is configured, under its policy.</summary>
    public static FarmBuilder ToFarmBuilder(this NixBuilder builder)
    {
        var first = Describe(builder);
        if (builder.OtherEntries.Count == 0) return first;
        FarmBuilder[] entries = [first, .. builder.OtherEntries.Select(Describe)];
        return first with
        {
            Entries = entries,
            Systems = [.. entries.SelectMany(entry => entry.Systems).DistinctBy(system => system.System)],
            MaxJobs = entries.Max(entry => entry.MaxJobs),
            SupportedFeatures = [.. entries.SelectMany(entry => entry.SupportedFeatures).Distinct()],
            MandatoryFeatures = [],
            Enabled = entries.Any(entry => entry.Enabled),
            ReservedMemory = entries.Max(entry => entry.ReservedMemory),
            MemoryRules = [.. entries.SelectMany(entry => entry.MemoryRules).Distinct()],
            Match = [.. entries.SelectMany(entry => entry.Match).Distinct()],
            Exclude = [.. entries.SelectMany(entry => entry.Exclude).Distinct()],
        };
    }

    private static FarmBuilder Describe(NixBuilder builder) => new()
    {
        Name = builder.Name,
        IsLocal = builder.IsLocal,
        Systems = [.. builder.Systems.Select(system => new SystemSpeed(system, builder.SpeedFactor))],
        // A user who reserves cores does not want more builds than the other cores.
        MaxJobs = builder.Policy.Reserve > 0 && builder.BuildCores is { } cores ? Math.Min(builder.MaxJobs, cores) : builder.MaxJobs,
        Cores = builder.BuildCores ?? 0,
        ReservedMemory = builder.Policy.ReserveMemory ?? 0,
        MemoryRules = [.. builder.Policy.Memory?.Select(need => new MemoryRule(need.Key, need.Value)) ?? []],
        SupportedFeatures = builder.SupportedFeatures,
        MandatoryFeatures = builder.MandatoryFeatures,
        DownloadBandwidth = builder.Policy.MaxUpload ?? double.PositiveInfinity,
        Enabled = builder.Policy.Drain != true,
        Helps = builder.Policy.Share is not (ShareRole.IsHelped or ShareRole.None),
        IsHelped = builder.Policy.Share is not (ShareRole.Helps or ShareRole.None),
        Match = builder.Policy.Match ?? [],
        Exclude = builder.Policy.Exclude ?? [],
    };
}
