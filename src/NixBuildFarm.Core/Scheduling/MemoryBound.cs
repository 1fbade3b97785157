namespace NixBuildFarm.Scheduling;

/// <summary>
/// What no schedule can beat that keeps within the memory of the builders: for sets of builders and the jobs that only these may take, the
/// larger of two. Memory × time of all jobs ÷ the memory of all builders. And the time of those that need more than half of each builder,
/// of which none has two at a time, with the least time before and after them.
/// </summary>
internal static class MemoryBound
{
    /// <summary>Which builders may take a job, those that are large enough preferred.</summary>
    public static bool[] MayTake(Job job, IReadOnlyList<FarmBuilder> farm, long? need)
    {
        bool[] may = [.. Eligibility.OnFarm(job, farm).Select(verdict => verdict.IsEligible)];
        LargeEnough.Keep(may, b => farm[b], job, need);
        return may;
    }

    /// <summary>Computes the bound, in seconds.</summary>
    /// <param name="graph">The jobs.</param>
    /// <param name="farm">The builders.</param>
    /// <param name="needs">By job: bytes of memory.</param>
    /// <param name="least">By job: its least time.</param>
    /// <param name="head">By job: the least time before it.</param>
    /// <param name="tail">By job: the least time after it.</param>
    /// <param name="classes">The eligibility classes.</param>
    /// <param name="eligible">By class, then builder: whether it may take its jobs.</param>
    /// <param name="sets">The sets of builders to look at.</param>
    public static double Of(
        JobGraph graph, IReadOnlyList<FarmBuilder> farm, IReadOnlyList<long> needs, double[] least, double[] head, double[] tail,
        EligibilityClasses classes, bool[][] eligible, IEnumerable<bool[]> sets)
    {
        // What one without a rule needs is the same on all builders of the same memory.
        var takers = eligible
            .Select(may => farm.Where((_, b) => may[b]).DistinctBy(b => (b.UsableMemory, b.MemoryRules)).ToArray())
            .ToArray();
        var leastNeeds = new long[graph.Count];
        var (work, jobsOf) = (new double[classes.Count], Enumerable.Range(0, classes.Count).Select(_ => new List<int>()).ToArray());
        for (var job = 0; job < graph.Count; job++)
        {
            var c = classes[job];
            // A job that is too large for a builder has all of it.
            leastNeeds[job] = takers[c].Select(b => Math.Min(LargeEnough.NeedOn(b, graph[job], needs[job]), b.UsableMemory ?? 0))
                .DefaultIfEmpty(0)
                .Min();
            work[c] += least[job] * leastNeeds[job];
            if (leastNeeds[job] > 0) jobsOf[c].Add(job);
        }
        var longest = 0.0;
        foreach (var builders in sets)
        {
            FarmBuilder[] members = [.. farm.Where((_, b) => builders[b])];
            if (members.Length == 0 || members.Any(b => b.UsableMemory is null or 0)) continue;
            int[] own = [.. Enumerable.Range(0, classes.Count).Where(c => IsWithin(eligible[c], builders))];
            longest = Math.Max(longest, own.Sum(c => work[c]) / members.Sum(b => (double)b.UsableMemory!.Value));
            var half = members.Max(b => b.UsableMemory!.Value) / 2;
            longest = Math.Max(longest, InTurn([.. own.SelectMany(c => jobsOf[c]).Where(job => leastNeeds[job] > half)], members.Length));
        }
        return longest;

        double InTurn(int[] jobs, int places)
        {
            Array.Sort(jobs, (a, b) => head[b].CompareTo(head[a]));
            var (bound, time, after) = (0.0, 0.0, double.PositiveInfinity);
            foreach (var job in jobs)
            {
                (time, after) = (time + least[job], Math.Min(after, tail[job]));
                bound = Math.Max(bound, head[job] + time / places + after);
            }
            return bound;
        }
    }

    private static bool IsWithin(bool[] part, bool[] whole)
    {
        for (var b = 0; b < part.Length; b++)
        {
            if (part[b] && !whole[b]) return false;
        }
        return Array.IndexOf(part, true) >= 0;
    }
}
