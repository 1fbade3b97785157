using System.Globalization;
using System.Numerics;

namespace NixBuildFarm.Scheduling;

/// <summary>
/// Jobs that the same builders may take form one class: a graph of 100,000 jobs has a handful. Two jobs are of one class when system,
/// features and staying local agree, and every policy wildcard of the farm matches both or neither. Where memory counts they fit the same
/// builders as well, and need about the same: so one that is too large for what is free at the moment is not before one that is small.
/// </summary>
internal sealed class EligibilityClasses
{
    /// <summary>Bytes up to which all needs are alike; beyond that, each doubling makes another class.</summary>
    private const long SmallNeed = 256L << 20;

    private readonly List<int> representatives = [];
    private readonly List<long?> needs = [];
    private readonly Dictionary<string, int> known = [];
    private readonly HashSet<string> wildcards;
    private readonly string[] sorted;
    private readonly long[] memories;
    private readonly Func<int, long>? needOf;
    private int[] classOf = [];

    /// <summary>Finds the classes of a graph.</summary>
    /// <param name="graph">The jobs.</param>
    /// <param name="farm">The builders.</param>
    /// <param name="needOf">The memory that a job is expected to need, in bytes, as it is now; null: memory does not count.</param>
    public EligibilityClasses(JobGraph graph, IEnumerable<FarmBuilder> farm, Func<int, long>? needOf = null)
    {
        FarmBuilder[] builders = [.. farm];
        this.needOf = needOf;
        wildcards = WildcardsOf(builders);
        sorted = [.. wildcards.Order(StringComparer.Ordinal)];
        memories = MemoriesOf(builders);
        Add(graph, first: 0);
    }

    /// <summary>Finds the classes of jobs that have joined the graph.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="first">The first of them.</param>
    /// <returns>Whether a class is new.</returns>
    public bool Add(JobGraph graph, int first)
    {
        var before = Count;
        GrowingArray.Grow(ref classOf, graph.Count, 0);
        for (var job = first; job < graph.Count; job++) Find(graph, job);
        return Count > before;
    }

    /// <summary>Finds the class of a job of which more is known now.</summary>
    /// <returns>Whether that is new.</returns>
    public bool Update(JobGraph graph, int job)
    {
        var before = Count;
        Find(graph, job);
        return Count > before;
    }

    public int Count => representatives.Count;

    public int this[int job] => classOf[job];

    /// <summary>Some job of each class.</summary>
    public IReadOnlyList<int> Representatives => representatives;

    /// <summary>The memory in bytes that this job was expected to need when it became that; null: memory does not count.</summary>
    public IReadOnlyList<long?> Needs => needs;

    /// <summary>Whether these classes tell apart all that the policies and machines of this farm tell apart.</summary>
    public bool Cover(IReadOnlyCollection<FarmBuilder> farm) =>
        WildcardsOf(farm).IsSubsetOf(wildcards) && Array.TrueForAll(MemoriesOf(farm), memory => Array.BinarySearch(memories, memory) >= 0);

    private void Find(JobGraph graph, int job)
    {
        var key = KeyOf(graph[job], needOf?.Invoke(job));
        if (!known.TryGetValue(key, out var index))
        {
            index = representatives.Count;
            known.Add(key, index);
            representatives.Add(job);
            needs.Add(needOf?.Invoke(job));
        }
        classOf[job] = index;
    }

    private HashSet<string> WildcardsOf(IEnumerable<FarmBuilder> farm) => farm
        .SelectMany(b => b.Match.Concat(b.Exclude).Concat(needOf is null ? [] : b.MemoryRules.Select(rule => rule.Pattern)))
        .ToHashSet();

    private long[] MemoriesOf(IEnumerable<FarmBuilder> farm) =>
        needOf is null ? [] : [.. farm.Select(b => b.UsableMemory).OfType<long>().Distinct().Order()];

    private string KeyOf(Job job, long? need)
    {
        var key = job.StaysLocal ? job.System + "!" : job.System;
        if (job.StatedCores > 0) key += string.Create(CultureInfo.InvariantCulture, $" {job.StatedCores}");
        if (job.RequiredFeatures.Count > 0) key += "\n" + string.Join('\n', job.RequiredFeatures.Order(StringComparer.Ordinal));
        if (sorted.Length > 0)
        {
            key += "\0"
                + string.Concat(
                    sorted.Select(w => System.IO.Enumeration.FileSystemName.MatchesSimpleExpression(w, job.Name) ? '1' : '0'));
        }
        return memories.Length == 0 ? key : key + SizeOf(Math.Max(need ?? 0, job.StatedMemory)) + SizeOf(job.StatedMemory);
    }

    /// <summary>On how many of the machines a job does not fit, and about how much it needs.</summary>
    private string SizeOf(long need)
    {
        if (need == 0) return "\0";
        var tooSmall = 0;
        while (tooSmall < memories.Length && memories[tooSmall] < need) tooSmall++;
        return string.Create(CultureInfo.InvariantCulture, $"\0{tooSmall} {BitOperations.Log2((ulong)(need / SmallNeed) + 1)}");
    }
}
