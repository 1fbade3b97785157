namespace NixBuildFarm.Scheduling;

/// <summary>
/// Jobs that the same builders may take form one class: a graph of 100,000 jobs has a handful. Two jobs are of one class when system,
/// features and staying local agree, and every policy wildcard of the farm matches both or neither.
/// </summary>
internal sealed class EligibilityClasses
{
    private readonly List<int> representatives = [];
    private readonly Dictionary<string, int> known = [];
    private readonly HashSet<string> wildcards;
    private readonly string[] sorted;
    private int[] classOf = [];

    public EligibilityClasses(JobGraph graph, IEnumerable<FarmBuilder> farm)
    {
        wildcards = WildcardsOf(farm);
        sorted = [.. wildcards.Order(StringComparer.Ordinal)];
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
        for (var job = first; job < graph.Count; job++)
        {
            var key = KeyOf(graph[job], sorted);
            if (!known.TryGetValue(key, out var index))
            {
                index = representatives.Count;
                known.Add(key, index);
                representatives.Add(job);
            }
            classOf[job] = index;
        }
        return Count > before;
    }

    public int Count => representatives.Count;

    public int this[int job] => classOf[job];

    /// <summary>Some job of each class.</summary>
    public IReadOnlyList<int> Representatives => representatives;

    /// <summary>Whether these classes tell apart all that the policies of this farm tell apart.</summary>
    public bool Cover(IEnumerable<FarmBuilder> farm) => WildcardsOf(farm).IsSubsetOf(wildcards);

    private static HashSet<string> WildcardsOf(IEnumerable<FarmBuilder> farm) =>
        farm.SelectMany(b => b.Match.Concat(b.Exclude)).ToHashSet();

    private static string KeyOf(Job job, string[] wildcards)
    {
        var key = job.StaysLocal ? job.System + "!" : job.System;
        if (job.RequiredFeatures.Count > 0) key += "\n" + string.Join('\n', job.RequiredFeatures.Order(StringComparer.Ordinal));
        if (wildcards.Length == 0) return key;
        return key + "\0"
            + string.Concat(wildcards.Select(w => System.IO.Enumeration.FileSystemName.MatchesSimpleExpression(w, job.Name) ? '1' : '0'));
    }
}
