namespace NixBuildFarm.Builders;

/// <summary>One policy as it was set: for whom, how long, what.</summary>
public sealed class NixBuilderPolicy
{
    internal NixBuilderPolicy(PolicyScope scope, string? name, BuilderPolicy settings)
    {
        Scope = scope;
        Name = name;
        Settings = settings;
    }

    /// <summary>The builder; null: farm-wide, for each builder that has no setting of its own in this scope.</summary>
    public string? Name { get; }

    /// <summary>How long it lasts.</summary>
    public PolicyScope Scope { get; }

    /// <summary>Builds at a time; null: not set.</summary>
    public int? MaxJobs => Settings.MaxJobs;

    /// <summary>Speed relative to the other builders; null: not set.</summary>
    public double? SpeedFactor => Settings.SpeedFactor;

    /// <summary>Whether runs use the builder when they are not told otherwise; null: not set.</summary>
    public bool? Enabled => Settings.Enabled;

    /// <summary>All that is set.</summary>
    public BuilderPolicy Settings { get; }

    /// <summary>The builder's name, or <c>farm-wide</c>.</summary>
    public override string ToString() => Name ?? "farm-wide";
}
