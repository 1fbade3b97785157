namespace NixBuildFarm.Builders.Policies;

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

    /// <summary>Cores that builds may use in all; null: not set.</summary>
    public int? Cores => Settings.Cores;

    /// <summary>Cores that are kept free for the person at the machine; null: not set.</summary>
    public int? Reserve => Settings.Reserve;

    /// <summary>Whether it takes no builds, even where it is named; null: not set.</summary>
    public bool? Drain => Settings.Drain;

    /// <summary>The systems that it builds for; null: not set.</summary>
    public IReadOnlyList<string>? System => Settings.System;

    /// <summary>Systems that it does not build for; null: not set.</summary>
    public IReadOnlyList<string>? ExcludeSystem => Settings.ExcludeSystem;

    /// <summary>The features that it supports; null: not set.</summary>
    public IReadOnlyList<string>? Feature => Settings.Feature;

    /// <summary>Wildcards of the names of derivations that it takes; null: not set.</summary>
    public IReadOnlyList<string>? Match => Settings.Match;

    /// <summary>Wildcards of the names of derivations that it does not take; null: not set.</summary>
    public IReadOnlyList<string>? Exclude => Settings.Exclude;

    /// <summary>Which of its outputs come home; null: not set.</summary>
    public CopyBack? CopyBack => Settings.CopyBack;

    /// <summary>Bytes per second that are sent to it at most; null: not set.</summary>
    public long? MaxUpload => Settings.MaxUpload;

    /// <summary>The private key file to log in with; null: not set.</summary>
    public string? IdentityFile => Settings.IdentityFile;

    /// <summary>All that is set.</summary>
    public BuilderPolicy Settings { get; }

    /// <summary>The builder's name, or <c>farm-wide</c>.</summary>
    public override string ToString() => Name ?? "farm-wide";
}
