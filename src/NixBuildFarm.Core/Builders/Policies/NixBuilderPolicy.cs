namespace NixBuildFarm.Builders.Policies;

/// <summary>One policy: its scope, its builder, its settings.</summary>
public sealed class NixBuilderPolicy : BuilderPolicy
{
    internal NixBuilderPolicy(PolicyScope scope, string? name, BuilderPolicy settings)
        : base(settings)
    {
        Scope = scope;
        Name = name;
        Settings = settings;
    }

    /// <summary>The builder; null: farm-wide, for each builder that has no setting of its own in this scope.</summary>
    public string? Name { get; }

    /// <summary>How long it lasts.</summary>
    public PolicyScope Scope { get; }

    /// <summary>The settings alone; as text, all that is set.</summary>
    public BuilderPolicy Settings { get; }

    /// <summary>The builder's name, or <c>farm-wide</c>.</summary>
    public override string ToString() => Name ?? "farm-wide";
}
