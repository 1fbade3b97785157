using NixBuildFarm.Builders.Policies;

namespace NixBuildFarm.Deciding;

/// <summary>From where on the machine of a builder takes no new builds; back from each hold there is some way to go.</summary>
internal sealed record AdmissionLimits
{
    /// <summary>The share of its memory that is still available.</summary>
    public const double LeastMemory = 0.05;

    /// <summary>From where on a builder that was short of memory takes builds again.</summary>
    public const double EnoughMemory = 0.1;

    /// <summary>How much of the time programs wait for memory, in percent.</summary>
    public const double MostPressure = 20;

    /// <summary>From where on a builder whose programs waited for memory takes builds again, in percent.</summary>
    public const double LittlePressure = 5;

    /// <summary>The load of others with which a builder is in use by its owner.</summary>
    public const double OwnersLoad = 0.5;

    /// <summary>How long its owner has to be away before it takes builds again.</summary>
    public static readonly TimeSpan OwnersAbsence = TimeSpan.FromMinutes(5);

    /// <summary>
    /// How long a builder without builds of ours is held: what is wrong with it may be so for ever, and jobs may have no other. Not where
    /// it is left to its owner.
    /// </summary>
    public static readonly TimeSpan LongestHold = TimeSpan.FromMinutes(10);

    /// <summary>With this load of others a build takes five times as long: another builder is better, and so is to wait a while.</summary>
    private const double UsualLoad = 4;

    private const long UsualSpace = 1L << 30;
    private const double UsualPart = 0.05;

    /// <summary>The load of others, for each core.</summary>
    public double MaxLoad { get; init; } = UsualLoad;

    /// <summary>
    /// The free space of the store, and of the folder that builds work in, in bytes; null: a gigabyte, less where they are small.
    /// </summary>
    public long? MinFreeSpace { get; init; }

    /// <summary>Whether it is left to its owner.</summary>
    public bool IsIdleOnly { get; init; }

    /// <summary>The limits that a policy sets.</summary>
    public static AdmissionLimits Of(BuilderPolicy policy) => new()
    {
        MaxLoad = policy.MaxLoad ?? UsualLoad, MinFreeSpace = policy.MinFreeSpace, IsIdleOnly = policy.IdleOnly == true,
    };

    /// <summary>The free space that a file system has to have, in bytes.</summary>
    /// <param name="size">Its size; null: unknown.</param>
    public long SpaceOf(long? size) => MinFreeSpace ?? (size is { } all ? Math.Min(UsualSpace, (long)(all * UsualPart)) : UsualSpace);
}
