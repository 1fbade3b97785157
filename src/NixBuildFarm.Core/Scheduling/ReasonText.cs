namespace NixBuildFarm.Scheduling;

/// <summary>What the scheduler decided, in words.</summary>
public static class ReasonText
{
    private const int BuildersNamed = 3;

    /// <summary>Why a job goes where it goes.</summary>
    public static string InWords(this PlacementReason reason) => reason switch
    {
        PlacementReason.EarliestFinish => "it ends there first",
        PlacementReason.OnlyChoice => "nobody else may take it",
        PlacementReason.FreeNow => "there is room, and nothing is lost by it",
        PlacementReason.MostMemory => "nobody who takes builds has the memory that it needs, and here it has most, with nothing beside it",
        PlacementReason.MostSpace => "nobody who takes builds has the disk space that it needs, and here is most",
        _ => "the policy says so",
    };

    /// <summary>Why builders refuse a job, those with the same reason together: <c>ruby, kana: it lacks …; local: …</c>.</summary>
    /// <param name="reasons">The condition that fails, for each builder; null where none does.</param>
    /// <param name="farm">The builders.</param>
    public static string Refusals(IEnumerable<string?> reasons, IEnumerable<FarmBuilder> farm) => string.Join("; ", reasons
        .Zip(farm, (reason, builder) => (reason, builder.Name))
        .Where(refusal => refusal.reason is not null)
        .GroupBy(refusal => refusal.reason, refusal => refusal.Name)
        .Select(refusal => $"{Several([.. refusal])}: {refusal.Key}"));

    private static string Several(IReadOnlyList<string> names) => names.Count <= BuildersNamed
        ? string.Join(", ", names)
        : $"{string.Join(", ", names.Take(BuildersNamed - 1))} and {names.Count - BuildersNamed + 1} others";
}
