namespace NixBuildFarm.Builders;

/// <summary>The machine that the cmdlets run on, as a builder like any other.</summary>
public static class LocalBuilder
{
    private const string Configuration = "nix.conf";

    /// <summary>Whether a builder is this machine as Nix's own settings have it, and no entry of a list.</summary>
    public static bool IsImplicit(NixBuilder builder) => builder.IsLocal && builder.Source == Configuration;

    /// <summary>
    /// The builder <c>local</c>, as Nix's own settings have it: its system and <c>extra-platforms</c>, <c>max-jobs</c> builds at a
    /// time. With <c>max-jobs = 0</c> it is listed all the same, and takes no builds.
    /// </summary>
    public static NixBuilder From(NixConfiguration configuration) => new()
    {
        Name = NixBuilder.LocalName,
        HostName = "localhost",
        Uri = configuration.Store,
        Scheme = StoreScheme.Local,
        Systems = [.. configuration.ExtraPlatforms.Prepend(configuration.System).Distinct()],
        MaxJobs = configuration.MaxJobs,
        Cores = Environment.ProcessorCount,
        SupportedFeatures = configuration.SystemFeatures,
        Source = Configuration,
    };
}
