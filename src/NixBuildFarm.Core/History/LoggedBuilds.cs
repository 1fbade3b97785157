using NixBuildFarm.Builders;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.History;

/// <summary>What the logs of a builder's machine tell of builds.</summary>
internal static class LoggedBuilds
{
    /// <summary>Turns them into observations; downloads and what is too small to be told apart are left out.</summary>
    /// <param name="builds">What its logs tell.</param>
    /// <param name="builder">The builder. A log does not say what it was built for: its first system is the likely one.</param>
    /// <param name="now">The time of day: what ended more than a day later, by the clock of the builder, is left out.</param>
    public static IReadOnlyList<BuildObservation> Of(IReadOnlyList<BuildTime> builds, NixBuilder builder, DateTimeOffset now) =>
    [
        .. from build in builds
           let name = build.Derivation.Name[..^".drv".Length]
           let package = PackagePriors.NameOf(name)
           where build.Ended <= now.AddDays(1) && builder.Systems.Count > 0 && !BuildInputs.IsSource(name)
               && !PackagePriors.IsTrivialName(name) && !PackagePriors.IsTrivialName(package)
           select new BuildObservation
           {
               Package = package,
               System = builder.Systems[0],
               Builder = builder.Name,
               Seconds = build.Seconds,
               SpeedFactor = builder.SpeedFactor,
               At = build.Ended,
               Source = EstimateSource.NixLog,
               // The same derivation may be built again.
               Origin = $"{build.Derivation.BaseName[..32]} {build.Ended.ToUnixTimeSeconds()}",
           },
    ];
}
