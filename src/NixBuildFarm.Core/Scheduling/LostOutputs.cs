namespace NixBuildFarm.Scheduling;

/// <summary>Which jobs have to be done again when outputs are gone.</summary>
internal static class LostOutputs
{
    /// <summary>
    /// The jobs whose outputs are missing and needed, dependents first: a job that is done again needs its inputs again.
    /// </summary>
    /// <param name="graph">The jobs.</param>
    /// <param name="isMissing">Whether a job is done, and no store has its outputs.</param>
    /// <param name="isNeeded">Whether a job's outputs are asked for, or a dependent is still to be done.</param>
    public static IReadOnlyList<int> Of(JobGraph graph, Func<int, bool> isMissing, Func<int, bool> isNeeded)
    {
        var lost = new List<int>();
        var isLost = new bool[graph.Count];
        var order = graph.TopologicalOrder;
        for (var i = order.Length - 1; i >= 0; i--)
        {
            var job = order[i];
            if (!isMissing(job)) continue;
            isLost[job] = isNeeded(job);
            foreach (var dependent in graph.DependentsOf(job)) isLost[job] |= isLost[dependent];
            if (isLost[job]) lost.Add(job);
        }
        return lost;
    }
}
