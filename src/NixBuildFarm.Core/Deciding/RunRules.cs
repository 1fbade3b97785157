using NixBuildFarm.Builders;
using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Deciding;

/// <summary>What the user has laid down for a run, as far as decisions depend on it.</summary>
internal sealed record RunRules
{
    /// <summary>Whether what does not depend on a failed build is built all the same.</summary>
    public required bool KeepGoing { get; init; }

    /// <summary>How often a derivation is tried before the failures of builders count as its own.</summary>
    public required int MaxAttempts { get; init; }

    /// <summary>
    /// How long jobs wait for builders that were lost, where no other may take them: a network that is away, or a machine that was asleep,
    /// costs time and not the run.
    /// </summary>
    public TimeSpan MaxAbsence { get; init; } = UsualAbsence;

    /// <summary>The time that a run of one's own waits for builders, where nobody says otherwise.</summary>
    public static TimeSpan UsualAbsence => TimeSpan.FromMinutes(15);

    /// <summary>Cores of each build; null: the scheduler decides.</summary>
    public required int? Cores { get; init; }

    /// <summary>Which outputs are copied back, where the policy of a builder says nothing.</summary>
    public required CopyBack CopyBack { get; init; }

    /// <summary>Whether no policy of a builder changes that.</summary>
    public required bool IsCopyBackGiven { get; init; }

    /// <summary>The stores that get what is built; none: those that the policy of its builder says.</summary>
    public IReadOnlyList<PushTarget> PushTo { get; init; } = [];

    /// <summary>The machines whose stores get it too.</summary>
    public IReadOnlyList<PushTarget> CopyTo { get; init; } = [];

    /// <summary>Which outputs go there; null: what the policy of their builder says, or all.</summary>
    public PushScope? Push { get; init; }

    /// <summary>How the scheduler works.</summary>
    public required SchedulerOptions Scheduling { get; init; }

    /// <summary>Which of the outputs of a builder are copied back.</summary>
    public CopyBack CopyBackOf(NixBuilder builder) => IsCopyBackGiven ? CopyBack : builder.Policy.CopyBack ?? CopyBack;

    /// <summary>The stores that get what a builder has built.</summary>
    public IEnumerable<PushTarget> TargetsOf(bool isRequested, NixBuilder builder) =>
        (Push ?? builder.Policy.Push ?? PushScope.All) == PushScope.Requested && !isRequested ? []
        : [.. (PushTo.Count > 0 ? PushTo : (builder.Policy.PushTo ?? []).Select(PushTarget.Of)).Concat(CopyTo).Distinct()];

    /// <summary>The cores that a build is allowed (<c>build-cores</c>), where the scheduler counts it with some.</summary>
    public int CoresFor(NixBuilder builder, int counted) =>
        // Without knowing the machine's cores we cannot share them out: 0 leaves all of them to the build.
        Cores ?? (builder.Cores is null ? 0 : counted);
}
