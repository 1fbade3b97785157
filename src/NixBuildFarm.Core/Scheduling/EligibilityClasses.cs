namespace NixBuildFarm.Scheduling;

/// <summary>
/// Jobs that the same builders may take form one class: a graph of 100,000 jobs has a handful. Two jobs are of one class when system,
/// features and staying local agree, and every policy wildcard of the farm matches both or neither.
/// </summary>
internal sealed class EligibilityClasses
{
    private readonly int[] classOf;
    private readonly List<int> representatives = [];
    private readonly HashSet<string> wildcards;

    public EligibilityClasses(JobGraph graph, IEnumerable<FarmBuilder> farm)
    {
        wildcards = WildcardsOf(farm);
        var sorted = wildcards.Order(StringComparer.Ordinal).ToArray();
        var known = new Dictionary<string, int>();
        classOf = new int[graph.Count];
        for (var job = 0; job < graph.Count; job++)
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
    }

    public int Count => representatives.Count;

    public int this[int job] => classOf[job];

    /// <summary>Some job of each class.</summary>
    public IReadOnlyList<int> Representatives => representatives;

    /// <summary>Whether these classes tell apart all that the policies of this farm tell apart.</summary>
    public bool Cover(IEnumerable<FarmBuilder> farm) => WildcardsOf(farm).IsSubsetOf(wildcards);

    private static HashSet<string> WildcardsOf(IEnumerable<FarmBuilder> farm) => farm.SelectMany(b => b.Match.Concat(b.Exclude)).ToHashSet();

    private static string KeyOf(Job job, string[] wildcards)
    {
        var key = job.StaysLocal ? job.System + "!" : job.System;
        if (job.RequiredFeatures.Count > 0) key += "\n" + string.Join('\n', job.RequiredFeatures.Order(StringComparer.Ordinal));
        if (wildcards.Length == 0) return key;
        return key + "\0" + string.Concat(wildcards.Select(w => System.IO.Enumeration.FileSystemName.MatchesSimpleExpression(w, job.Name) ? '1' : '0'));
    }
}
