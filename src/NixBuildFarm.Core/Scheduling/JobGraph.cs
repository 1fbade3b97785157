using NixBuildFarm.Errors;

namespace NixBuildFarm.Scheduling;

/// <summary>
/// What is to be built and what waits for what. Immutable. The edges lie in two flat arrays, so that a graph of 100,000 jobs is
/// walked at the speed of memory.
/// </summary>
public sealed class JobGraph
{
    private readonly Job[] jobs;
    private readonly int[] dependencyStart;
    private readonly int[] dependencies;
    private readonly int[] dependentStart;
    private readonly int[] dependents;
    private readonly int[] topologicalOrder;

    /// <summary>Makes the graph; a dependency that is named twice counts once.</summary>
    /// <exception cref="NixBuildFarmException">A dependency is out of range, or jobs wait for each other in a circle.</exception>
    public JobGraph(IReadOnlyList<Job> jobs)
    {
        this.jobs = [.. jobs];
        (dependencyStart, dependencies) = Flatten(this.jobs);
        (dependentStart, dependents) = Reverse(dependencyStart, dependencies);
        topologicalOrder = Sort();
    }

    /// <summary>How many jobs there are; their indexes are 0 to Count − 1.</summary>
    public int Count => jobs.Length;

    /// <summary>All jobs, each after the jobs it depends on.</summary>
    public ReadOnlySpan<int> TopologicalOrder => topologicalOrder;

    /// <summary>The job with this index.</summary>
    public Job this[int job] => jobs[job];

    /// <summary>The jobs that this one waits for.</summary>
    public ReadOnlySpan<int> DependenciesOf(int job) =>
        dependencies.AsSpan(dependencyStart[job], dependencyStart[job + 1] - dependencyStart[job]);

    /// <summary>The jobs that wait for this one.</summary>
    public ReadOnlySpan<int> DependentsOf(int job) =>
        dependents.AsSpan(dependentStart[job], dependentStart[job + 1] - dependentStart[job]);

    private static (int[] Start, int[] Edges) Flatten(Job[] jobs)
    {
        var start = new int[jobs.Length + 1];
        var edges = new List<int>(jobs.Length * 4);
        var seenBy = new int[jobs.Length];
        for (var job = 0; job < jobs.Length; job++)
        {
            foreach (var dependency in jobs[job].Dependencies)
            {
                if (dependency < 0 || dependency >= jobs.Length)
                {
                    throw new NixBuildFarmException("InvalidGraph", $"{jobs[job].Name} depends on job {dependency}, which is not in the graph.");
                }
                if (seenBy[dependency] == job + 1) continue;
                seenBy[dependency] = job + 1;
                edges.Add(dependency);
            }
            start[job + 1] = edges.Count;
        }
        return (start, [.. edges]);
    }

    private static (int[] Start, int[] Edges) Reverse(int[] start, int[] edges)
    {
        var reverseStart = new int[start.Length];
        foreach (var target in edges) reverseStart[target + 1]++;
        for (var i = 1; i < reverseStart.Length; i++) reverseStart[i] += reverseStart[i - 1];
        var next = reverseStart.AsSpan(0, start.Length - 1).ToArray();
        var reversed = new int[edges.Length];
        for (var source = 0; source < start.Length - 1; source++)
        {
            for (var e = start[source]; e < start[source + 1]; e++) reversed[next[edges[e]]++] = source;
        }
        return (reverseStart, reversed);
    }

    private int[] Sort()
    {
        var order = new int[jobs.Length];
        var unmet = new int[jobs.Length];
        var count = 0;
        for (var job = 0; job < jobs.Length; job++)
        {
            unmet[job] = DependenciesOf(job).Length;
            if (unmet[job] == 0) order[count++] = job;
        }
        for (var i = 0; i < count; i++)
        {
            foreach (var dependent in DependentsOf(order[i]))
            {
                if (--unmet[dependent] == 0) order[count++] = dependent;
            }
        }
        if (count < jobs.Length)
        {
            var job = Array.FindIndex(unmet, n => n > 0);
            throw new NixBuildFarmException("InvalidGraph", $"{jobs[job].Name} depends on itself, through others or directly.");
        }
        return order;
    }
}
