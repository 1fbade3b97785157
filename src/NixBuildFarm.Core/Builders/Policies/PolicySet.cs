namespace NixBuildFarm.Builders.Policies;

/// <summary>Where a policy is kept, and so how long it lasts.</summary>
public enum PolicyScope
{
    /// <summary>This process, until it ends.</summary>
    Session,

    /// <summary>Every session of this user.</summary>
    User,
}

/// <summary>The policies of one scope: farm-wide and by builder name. Immutable; letter case of names makes no difference.</summary>
public sealed class PolicySet
{
    /// <summary>No policy at all.</summary>
    public static PolicySet Empty { get; } = new(BuilderPolicy.Empty, []);

    /// <summary>Makes a set.</summary>
    /// <exception cref="ArgumentException">Two builders have the same name, or one has no policy.</exception>
    public PolicySet(BuilderPolicy farmWide, IEnumerable<KeyValuePair<string, BuilderPolicy>> builders)
    {
        FarmWide = farmWide;
        var byName = new SortedDictionary<string, BuilderPolicy>(StringComparer.OrdinalIgnoreCase);
        foreach (var (name, policy) in builders)
        {
            ArgumentNullException.ThrowIfNull(policy, name);
            if (!byName.TryAdd(name, policy)) throw new ArgumentException($"The builder “{name}” has two policies.", nameof(builders));
        }
        Builders = byName;
    }

    /// <summary>The policy for builders that have no setting of their own.</summary>
    public BuilderPolicy FarmWide { get; }

    /// <summary>The policies of single builders, sorted by name.</summary>
    public IReadOnlyDictionary<string, BuilderPolicy> Builders { get; }

    /// <summary>The policy of a builder in this scope: its own, with farm-wide settings where it has none.</summary>
    public BuilderPolicy For(string builder) => Builders.TryGetValue(builder, out var own) ? own.Over(FarmWide) : FarmWide;

    /// <summary>The set with some settings changed, of one builder or (null) farm-wide.</summary>
    public PolicySet With(string? builder, BuilderPolicy change)
    {
        if (builder is null) return new PolicySet(change.Over(FarmWide), Builders);
        var own = Builders.GetValueOrDefault(builder, BuilderPolicy.Empty);
        return new PolicySet(FarmWide, Others(builder).Append(new(builder, change.Over(own))));
    }

    /// <summary>The set without the policy of one builder, or (null) without the farm-wide one.</summary>
    public PolicySet Without(string? builder) =>
        builder is null ? new PolicySet(BuilderPolicy.Empty, Builders) : new PolicySet(FarmWide, Others(builder));

    private IEnumerable<KeyValuePair<string, BuilderPolicy>> Others(string builder) =>
        Builders.Where(b => !b.Key.Equals(builder, StringComparison.OrdinalIgnoreCase));
}
