using NixBuildFarm.Scheduling.Lending;

namespace NixBuildFarm.Scheduling;

/// <summary>
/// What no schedule can beat, whatever it does: transfers are ignored and every job has its best builder. The largest of four bounds.
/// </summary>
/// <param name="CriticalPath">The longest chain, each job at the fastest speed that may take it; in seconds.</param>
/// <param name="Capacity">
/// For each eligibility class and union of two: its work ÷ the capacity of the builders that may take it, or help with its compiles.
/// </param>
/// <param name="HeadAndTail">
/// The same with the time before and after jobs: least head + work ÷ capacity + least tail (<see cref="HeadAndTailBound"/>).
/// </param>
public sealed record LowerBound(double CriticalPath, double Capacity, double HeadAndTail)
{
    /// <summary>
    /// The time that the memory of the builders allows at best (<see cref="MemoryBound"/>), in seconds; 0 where memory does not count.
    /// </summary>
    public double Memory { get; init; }

    /// <summary>Jobs × sets of builders. Beyond that only sets of single classes are looked at, not unions of two.</summary>
    private const long MostLooks = 20_000_000;

    /// <summary>The bound, in seconds.</summary>
    public double Seconds => Math.Max(Math.Max(CriticalPath, Memory), Math.Max(Capacity, HeadAndTail));

    /// <summary>Computes the bound.</summary>
    /// <param name="graph">The jobs.</param>
    /// <param name="farm">The builders. A job that none may take counts nothing.</param>
    /// <param name="seconds">By job: duration at speed 1.0 on <see cref="Estimate.ReferenceCores"/> cores.</param>
    /// <param name="moldable">Whether a build may get any number of cores, or each the same share.</param>
    /// <param name="compiles">By job: what all builders may do together; null: nothing.</param>
    /// <param name="needs">By job: bytes of memory; null: what runs together need not fit.</param>
    public static LowerBound Of(
        JobGraph graph, IReadOnlyList<FarmBuilder> farm, IReadOnlyList<double> seconds, bool moldable = false,
        IReadOnlyList<CompileEstimate>? compiles = null, IReadOnlyList<long>? needs = null)
    {
        var classes = new EligibilityClasses(graph, farm, needs is null ? null : job => needs[job]);
        var eligible = classes.Representatives.Select((j, c) => MemoryBound.MayTake(graph[j], farm, classes.Needs[c])).ToArray();
        var least = LeastSeconds(graph, farm, seconds, moldable, classes, eligible);
        if (compiles is not null) Share(least, graph, farm, seconds, moldable, classes, eligible, compiles);
        var (head, tail) = HeadsAndTails(graph, least);
        var criticalPath = 0.0;
        for (var job = 0; job < graph.Count; job++) criticalPath = Math.Max(criticalPath, head[job] + least[job] + tail[job]);

        // A parallel job costs the least core-seconds on one core.
        double[] work = [.. seconds.Select((time, job) => time * Estimate.CoreFactor(moldable && graph[job].EnableParallelBuilding, 1))];
        var workOfClass = new double[classes.Count];
        for (var job = 0; job < graph.Count; job++) workOfClass[classes[job]] += work[job];

        // A slot of many cores does more compiles for others than one of few could do for itself.
        var leastCores = farm.Where(builder => builder.MaxJobs > 0).Select(CoresOfSlot).DefaultIfEmpty(1).Min();
        double WorthOfSlot(FarmBuilder builder) => compiles is null ? 1 : (double)CoresOfSlot(builder) / leastCores;

        var able = compiles is null ? eligible : WithHelpers(eligible, graph, farm, classes, compiles);
        var (capacity, headAndTail, between) = (0.0, 0.0, new HeadAndTailBound(head, tail));
        foreach (var builders in SetsOfBuilders(able, graph.Count))
        {
            bool[] isMember = [.. able.Select(may => IsSubset(may, builders))];
            var members = Enumerable.Range(0, classes.Count).Where(c => isMember[c]).ToArray();
            var systems = members.Select(c => graph[classes.Representatives[c]].System).Distinct().ToArray();
            var total = Enumerable.Range(0, farm.Count).Where(b => builders[b])
                .Sum(b => (moldable ? farm[b].TotalCores : farm[b].MaxJobs * WorthOfSlot(farm[b])) * systems.Max(farm[b].SpeedOf));
            if (total <= 0) continue;
            capacity = Math.Max(capacity, members.Sum(c => workOfClass[c]) / total);
            headAndTail = Math.Max(headAndTail, between.Of(job => isMember[classes[job]], job => work[job] / total));
        }
        return new LowerBound(criticalPath, capacity, headAndTail)
        {
            Memory = needs is null ? 0 : MemoryBound.Of(
                graph, farm, needs, least, head, tail, classes, eligible, SetsOfBuilders(eligible, graph.Count)),
        };
    }

    private static double[] LeastSeconds(
        JobGraph graph, IReadOnlyList<FarmBuilder> farm, IReadOnlyList<double> seconds, bool moldable, EligibilityClasses classes,
        bool[][] eligible)
    {
        // By class, then for serial and parallel jobs: the seconds that one reference second takes at best.
        var best = new (double Serial, double Parallel)[classes.Count];
        for (var c = 0; c < best.Length; c++)
        {
            var system = graph[classes.Representatives[c]].System;
            var able = farm.Where((_, b) => eligible[c][b]).ToArray();
            best[c] = able.Length == 0 ? default : (
                able.Min(b => 1 / b.SpeedOf(system)),
                able.Min(b => Estimate.CoreFactor(moldable, b.MostCores) / b.SpeedOf(system)));
        }
        var least = new double[graph.Count];
        for (var job = 0; job < graph.Count; job++)
        {
            var (serial, parallel) = best[classes[job]];
            least[job] = seconds[job] * (graph[job].EnableParallelBuilding ? parallel : serial);
        }
        return least;
    }

    /// <summary>Shortens the least time of builds whose compiles others may do: all of these are idle.</summary>
    private static void Share(
        double[] least, JobGraph graph, IReadOnlyList<FarmBuilder> farm, IReadOnlyList<double> seconds, bool moldable,
        EligibilityClasses classes, bool[][] eligible, IReadOnlyList<CompileEstimate> compiles)
    {
        var places = new HelperPlaces(graph, classes, farm, _ => true, eligible);
        // Builders that are alike need one look.
        var homes = eligible.Select((may, c) => Enumerable.Range(0, farm.Count).Where(b => may[b] && farm[b].IsHelped)
            .DistinctBy(b => (places.WorthOf(b, c), farm[b].MostCores, farm[b].TotalCores, farm[b].MaxJobs, places.KindOf(b))).ToArray())
            .ToArray();
        for (var job = 0; job < graph.Count; job++)
        {
            if (!CanBeShared(graph[job], compiles[job])) continue;
            var coresCount = moldable && graph[job].EnableParallelBuilding;
            foreach (var home in homes[classes[job]])
            {
                var cores = coresCount ? farm[home].MostCores : moldable ? 1 : CoresOfSlot(farm[home]);
                var factor = SharedDuration.Factor(compiles[job], coresCount, cores, places.Of(classes[job], home, cores, 1));
                least[job] = Math.Min(
                    least[job], seconds[job] * Estimate.CoreFactor(coresCount, cores) * factor / farm[home].SpeedOf(graph[job].System));
            }
        }
    }

    /// <summary>By class, the builders that may take a job of it, and those that can only help with one.</summary>
    private static bool[][] WithHelpers(
        bool[][] eligible, JobGraph graph, IReadOnlyList<FarmBuilder> farm, EligibilityClasses classes,
        IReadOnlyList<CompileEstimate> compiles)
    {
        var areShared = new bool[classes.Count];
        for (var job = 0; job < graph.Count; job++) areShared[classes[job]] |= CanBeShared(graph[job], compiles[job]);
        return
        [
            .. eligible.Select(
                (may, c) => areShared[c] && Array.IndexOf(may, true) >= 0
                    ? [.. may.Select((takes, b) => takes || LendingRules.MayHelp(graph[classes.Representatives[c]], farm[b]))]
                    : may),
        ];
    }

    private static bool CanBeShared(Job job, CompileEstimate compiles) => compiles.Share > 0 && LendingRules.CanBeShared(job);

    private static int CoresOfSlot(FarmBuilder builder) => Math.Max(1, builder.TotalCores / Math.Max(1, builder.MaxJobs));

    private static (double[] Head, double[] Tail) HeadsAndTails(JobGraph graph, double[] least)
    {
        var (head, tail) = (new double[graph.Count], new double[graph.Count]);
        var order = graph.TopologicalOrder;
        foreach (var job in order)
        {
            foreach (var dependency in graph.DependenciesOf(job)) head[job] = Math.Max(head[job], head[dependency] + least[dependency]);
        }
        for (var i = order.Length - 1; i >= 0; i--)
        {
            foreach (var dependent in graph.DependentsOf(order[i]))
            {
                tail[order[i]] = Math.Max(tail[order[i]], tail[dependent] + least[dependent]);
            }
        }
        return (head, tail);
    }

    private static IEnumerable<bool[]> SetsOfBuilders(bool[][] eligible, int jobs)
    {
        var distinct = eligible.DistinctBy(e => string.Concat(e.Select(x => x ? '1' : '0'))).ToArray();
        var hasUnions = (long)distinct.Length * distinct.Length / 2 * jobs <= MostLooks;
        for (var a = 0; a < distinct.Length; a++)
        {
            yield return distinct[a];
            for (var b = a + 1; hasUnions && b < distinct.Length; b++)
            {
                yield return distinct[a].Zip(distinct[b], (x, y) => x || y).ToArray();
            }
        }
    }

    private static bool IsSubset(bool[] part, bool[] whole)
    {
        for (var i = 0; i < part.Length; i++)
        {
            if (part[i] && !whole[i]) return false;
        }
        return Array.IndexOf(part, true) >= 0;
    }
}
