using NixBuildFarm.Errors;

namespace NixBuildFarm.Scheduling;

/// <summary>
/// What is to be built and what waits for what. Only the scheduler changes it, when work joins: jobs and edges are added and never taken
/// away. The edges lie in two flat arrays, so that a graph of 100,000 jobs is walked at the speed of memory.
/// </summary>
public sealed class JobGraph
{
    private Job[] jobs;
    private int[] dependencyStart;
    private int[] dependencyCount;
    private int[] dependencies;
    private int[] dependentStart;
    private int[] dependentCount;
    private int[] dependentRoom;
    private int[] dependents;
    private int[] topologicalOrder;
    private int dependenciesUsed;
    private int dependentsUsed;

    /// <summary>Makes the graph; a dependency that is named twice counts once.</summary>
    /// <exception cref="NixBuildFarmException">A dependency is out of range, or jobs wait for each other in a circle.</exception>
    public JobGraph(IReadOnlyList<Job> jobs)
    {
        this.jobs = [.. jobs];
        Count = this.jobs.Length;
        (dependencyStart, dependencies) = Flatten(this.jobs, first: 0);
        (dependentStart, dependentCount, dependents) = Reverse(dependencyStart, dependencies);
        dependencyCount = [.. Enumerable.Range(0, Count).Select(job => dependencyStart[job + 1] - dependencyStart[job])];
        dependenciesUsed = dependencies.Length;
        dependentRoom = (int[])dependentCount.Clone();
        dependentsUsed = dependents.Length;
        topologicalOrder = Sort(this.jobs, dependencyStart, dependencies, first: 0);
    }

    /// <summary>How many jobs there are; their indexes are 0 to Count − 1.</summary>
    public int Count { get; private set; }

    /// <summary>All jobs, each after the jobs it depends on.</summary>
    public ReadOnlySpan<int> TopologicalOrder => topologicalOrder.AsSpan(0, Count);

    /// <summary>The job with this index.</summary>
    public Job this[int job] => jobs[job];

    /// <summary>The jobs that this one waits for.</summary>
    public ReadOnlySpan<int> DependenciesOf(int job) =>
        dependencies.AsSpan(dependencyStart[job], dependencyCount[job]);

    /// <summary>The jobs that wait for this one.</summary>
    public ReadOnlySpan<int> DependentsOf(int job) => dependents.AsSpan(dependentStart[job], dependentCount[job]);

    /// <summary>Adds jobs, which get the next indexes; they may depend on each other and on those that are there.</summary>
    /// <exception cref="NixBuildFarmException">A dependency is out of range, or jobs wait for each other in a circle. Nothing was
    /// added.</exception>
    internal void Add(IReadOnlyList<Job> more)
    {
        Job[] added = [.. more];
        var first = Count;
        var (start, edges) = Flatten(added, first);
        var order = Sort(added, start, edges, first);
        Count += added.Length;
        GrowingArray.Grow(ref jobs, Count, null!);
        GrowingArray.Grow(ref topologicalOrder, Count, 0);
        GrowingArray.Grow(ref dependencyStart, Count, 0);
        GrowingArray.Grow(ref dependencyCount, Count, 0);
        GrowingArray.Grow(ref dependentStart, Count, 0);
        GrowingArray.Grow(ref dependentCount, Count, 0);
        GrowingArray.Grow(ref dependentRoom, Count, 0);
        var used = dependenciesUsed;
        dependenciesUsed += edges.Length;
        GrowingArray.Grow(ref dependencies, dependenciesUsed, 0);
        edges.CopyTo(dependencies, used);
        added.CopyTo(jobs, first);
        order.CopyTo(topologicalOrder, first);
        for (var job = 0; job < added.Length; job++)
        {
            (dependencyStart[first + job], dependencyCount[first + job]) = (used + start[job], start[job + 1] - start[job]);
            for (var edge = start[job]; edge < start[job + 1]; edge++) AddDependent(edges[edge], first + job);
        }
    }

    /// <summary>Whether jobs would wait for each other in a circle if these needed those as well.</summary>
    internal bool WouldBeCircle(IEnumerable<int> waiting, IReadOnlyCollection<int> needs)
    {
        var comesLater = WhatComesAfter(waiting);
        return needs.Any(need => comesLater[need]);
    }

    /// <summary>Has jobs wait for more than before, which may have joined after them; false: it would be a circle.</summary>
    internal bool TryAddDependencies(IReadOnlyCollection<int> waiting, IReadOnlyCollection<int> needs)
    {
        var comesLater = WhatComesAfter(waiting);
        if (needs.Any(need => comesLater[need])) return false;
        foreach (var job in waiting) AddDependencies(job, needs);
        int[] order = [.. TopologicalOrder];
        topologicalOrder = [.. order.Where(job => !comesLater[job]), .. order.Where(job => comesLater[job])];
        return true;
    }

    /// <summary>By job: whether it is one of these, or waits for one of them.</summary>
    private bool[] WhatComesAfter(IEnumerable<int> waiting)
    {
        var comesLater = new bool[Count];
        foreach (var job in waiting) comesLater[job] = true;
        foreach (var job in TopologicalOrder)
        {
            if (!comesLater[job]) continue;
            foreach (var dependent in DependentsOf(job)) comesLater[dependent] = true;
        }
        return comesLater;
    }

    /// <summary>The dependencies of a job move to the end.</summary>
    private void AddDependencies(int job, IReadOnlyCollection<int> needs)
    {
        int[] known = [.. DependenciesOf(job)];
        int[] more = [.. needs.Distinct().Except(known)];
        (dependencyStart[job], dependencyCount[job]) = (dependenciesUsed, known.Length + more.Length);
        dependenciesUsed += dependencyCount[job];
        GrowingArray.Grow(ref dependencies, dependenciesUsed, 0);
        known.CopyTo(dependencies, dependencyStart[job]);
        more.CopyTo(dependencies, dependencyStart[job] + known.Length);
        jobs[job] = jobs[job] with { Dependencies = [.. known, .. more] };
        foreach (var need in more) AddDependent(need, job);
    }

    /// <summary>Whether somebody asks for a job itself may change as requests come and go.</summary>
    internal void SetRequested(int job, bool isRequested) => jobs[job] = jobs[job] with { IsRequested = isRequested };

    /// <summary>Who wants a job changes in the same way.</summary>
    internal void SetClaim(Claim claim) => jobs[claim.Job] = jobs[claim.Job] with { Users = claim.Users, Priority = claim.Priority };

    /// <summary>The dependents of a job move to the end, with twice the room, where there is no room left for one more.</summary>
    private void AddDependent(int job, int dependent)
    {
        if (dependentCount[job] == dependentRoom[job])
        {
            var room = Math.Max(2, 2 * dependentRoom[job]);
            GrowingArray.Grow(ref dependents, dependentsUsed + room, 0);
            Array.Copy(dependents, dependentStart[job], dependents, dependentsUsed, dependentCount[job]);
            (dependentStart[job], dependentRoom[job]) = (dependentsUsed, room);
            dependentsUsed += room;
        }
        dependents[dependentStart[job] + dependentCount[job]++] = dependent;
    }

    private static (int[] Start, int[] Edges) Flatten(Job[] jobs, int first)
    {
        var start = new int[jobs.Length + 1];
        var edges = new List<int>(jobs.Length * 4);
        var seen = new HashSet<int>();
        for (var job = 0; job < jobs.Length; job++)
        {
            seen.Clear();
            foreach (var dependency in jobs[job].Dependencies)
            {
                if (dependency < 0 || dependency >= first + jobs.Length)
                {
                    throw new NixBuildFarmException(
                        "InvalidGraph", $"{jobs[job].Name} depends on job {dependency}, which is not in the graph.");
                }
                if (seen.Add(dependency)) edges.Add(dependency);
            }
            start[job + 1] = edges.Count;
        }
        return (start, [.. edges]);
    }

    private static (int[] Start, int[] Count, int[] Edges) Reverse(int[] start, int[] edges)
    {
        var count = new int[start.Length - 1];
        foreach (var target in edges) count[target]++;
        var reverseStart = new int[count.Length];
        for (var i = 1; i < reverseStart.Length; i++) reverseStart[i] = reverseStart[i - 1] + count[i - 1];
        var next = (int[])reverseStart.Clone();
        var reversed = new int[edges.Length];
        for (var source = 0; source < count.Length; source++)
        {
            for (var e = start[source]; e < start[source + 1]; e++) reversed[next[edges[e]]++] = source;
        }
        return (reverseStart, count, reversed);
    }

    /// <summary>
    /// Sorts jobs, the first of which has the index <paramref name="first"/>; what they wait for among those before it has been sorted.
    /// </summary>
    private static int[] Sort(Job[] jobs, int[] start, int[] edges, int first)
    {
        var inner = edges.Where(dependency => dependency >= first).Select(dependency => dependency - first).ToArray();
        var innerStart = new int[start.Length];
        for (var (job, next) = (0, 0); job < jobs.Length; job++)
        {
            for (var e = start[job]; e < start[job + 1]; e++) next += edges[e] >= first ? 1 : 0;
            innerStart[job + 1] = next;
        }
        var (dependentStart, dependentCount, dependents) = Reverse(innerStart, inner);
        var order = new int[jobs.Length];
        var unmet = new int[jobs.Length];
        var count = 0;
        for (var job = 0; job < jobs.Length; job++)
        {
            unmet[job] = innerStart[job + 1] - innerStart[job];
            if (unmet[job] == 0) order[count++] = job;
        }
        for (var i = 0; i < count; i++)
        {
            foreach (var dependent in dependents.AsSpan(dependentStart[order[i]], dependentCount[order[i]]))
            {
                if (--unmet[dependent] == 0) order[count++] = dependent;
            }
        }
        if (count < jobs.Length)
        {
            var job = Array.FindIndex(unmet, n => n > 0);
            throw new NixBuildFarmException("InvalidGraph", $"{jobs[job].Name} depends on itself, through others or directly.");
        }
        return Array.ConvertAll(order, job => first + job);
    }
}
