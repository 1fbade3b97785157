using System.Text.Json.Serialization;

namespace NixBuildFarm.Builders;

/// <summary>
/// What the user wants otherwise than configured, of one builder or of all. What is null is not set. To add a setting:
/// a property here, its place in the methods below, its effect in <see cref="NixBuilder"/>.
/// </summary>
public sealed class BuilderPolicy
{
    private readonly int? maxJobs;
    private readonly double? speedFactor;

    /// <summary>The policy that sets nothing.</summary>
    public static BuilderPolicy Empty { get; } = new();

    /// <summary>Builds at a time, 0 or more; 0: none.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is negative.</exception>
    public int? MaxJobs
    {
        get => maxJobs;
        init
        {
            if (value < 0) throw new ArgumentOutOfRangeException(nameof(value), value, "MaxJobs is 0 or more.");
            maxJobs = value;
        }
    }

    /// <summary>Speed relative to the other builders, above 0.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is 0, negative or no finite number.</exception>
    public double? SpeedFactor
    {
        get => speedFactor;
        init
        {
            if (value is { } factor && !(double.IsFinite(factor) && factor > 0))
            {
                throw new ArgumentOutOfRangeException(nameof(value), value, "SpeedFactor is above 0.");
            }
            speedFactor = value;
        }
    }

    /// <summary>Whether runs use the builder when they are not told otherwise.</summary>
    public bool? Enabled { get; init; }

    /// <summary>Whether nothing is set.</summary>
    [JsonIgnore]
    public bool IsEmpty => MaxJobs is null && SpeedFactor is null && Enabled is null;

    /// <summary>This policy, and what it does not set from a weaker one.</summary>
    public BuilderPolicy Over(BuilderPolicy weaker) => new()
    {
        MaxJobs = MaxJobs ?? weaker.MaxJobs,
        SpeedFactor = SpeedFactor ?? weaker.SpeedFactor,
        Enabled = Enabled ?? weaker.Enabled,
    };

    /// <summary>Whether this policy hides something that a weaker one sets.</summary>
    public bool Hides(BuilderPolicy weaker) =>
        (MaxJobs is not null && weaker.MaxJobs is not null)
        || (SpeedFactor is not null && weaker.SpeedFactor is not null)
        || (Enabled is not null && weaker.Enabled is not null);

    /// <summary>The builder as it will be used; what is configured stays in <see cref="NixBuilder.Configured"/>.</summary>
    public NixBuilder ApplyTo(NixBuilder builder) => builder.WithPolicy(this);

    /// <summary>What is set, e.g. <c>MaxJobs 2, Enabled False</c>; empty where nothing is.</summary>
    public override string ToString()
    {
        (string Name, object? Value)[] settings = [(nameof(MaxJobs), MaxJobs), (nameof(SpeedFactor), SpeedFactor), (nameof(Enabled), Enabled)];
        return string.Join(", ", settings.Where(s => s.Value is not null).Select(s => $"{s.Name} {s.Value}"));
    }
}
