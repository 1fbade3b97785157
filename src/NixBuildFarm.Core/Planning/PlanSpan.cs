using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Playing;

namespace NixBuildFarm.Planning;

/// <summary>How long a planned run takes, by how well its durations are known.</summary>
/// <param name="Least">One run of ten is shorter.</param>
/// <param name="Middle">One run of two is.</param>
/// <param name="Most">Nine runs of ten are.</param>
public sealed record PlanSpan(TimeSpan Least, TimeSpan Middle, TimeSpan Most)
{
    private const int MostWorlds = 200, FewestWorlds = 25, JobsInAll = 1_000_000;

    /// <summary>
    /// Draws durations for all builds, again and again, and has each start as soon as what it followed in the plan has ended: what it
    /// needs, and the build before it in its slot. The same plan gives the same span. Null where nothing is built.
    /// </summary>
    internal static PlanSpan? Of(IReadOnlyCollection<ScheduledJob> schedule, JobGraph graph, IReadOnlyList<Estimate> estimates)
    {
        if (schedule.Count == 0) return null;
        var order = schedule.OrderBy(entry => entry.Start).ThenBy(entry => entry.End).ToArray();
        var before = Predecessors(order, graph);
        // From the end of the last predecessor to the start: transfers, and the start itself.
        var gaps = order.Select((entry, i) => Math.Max(0, entry.Start - LastEnd(before[i], other => order[other].End))).ToArray();
        var random = new Random(1);
        var ends = new double[order.Length];
        var spans = new double[Math.Clamp(JobsInAll / order.Length, FewestWorlds, MostWorlds)];
        for (var world = 0; world < spans.Length; world++)
        {
            var common = NormalDistribution.Draw(random);
            for (var i = 0; i < order.Length; i++)
            {
                var estimate = estimates[order[i].Job];
                var error = estimate.CommonSpread * common + estimate.Spread * NormalDistribution.Draw(random);
                var seconds = (order[i].End - order[i].Start) * Math.Exp(error);
                ends[i] = LastEnd(before[i], other => ends[other]) + gaps[i] + seconds;
            }
            spans[world] = ends.Max();
        }
        Array.Sort(spans);
        return new(At(0.1), At(0.5), At(0.9));

        TimeSpan At(double part) =>
            TimeSpan.FromSeconds(Math.Min(spans[(int)(part * spans.Length)], TimeSpan.MaxValue.TotalSeconds / 2));
    }

    private static double LastEnd(List<int> before, Func<int, double> endOf)
    {
        var last = 0.0;
        foreach (var other in before) last = Math.Max(last, endOf(other));
        return last;
    }

    private static List<int>[] Predecessors(ScheduledJob[] order, JobGraph graph)
    {
        var places = order.Select((entry, place) => (entry.Job, place)).ToDictionary(pair => pair.Job, pair => pair.place);
        var free = new Dictionary<int, PriorityQueue<int, double>>();
        return [.. order.Select((entry, place) =>
        {
            List<int> before = [.. graph.DependenciesOf(entry.Job).ToArray().Where(places.ContainsKey).Select(job => places[job])];
            if (!free.TryGetValue(entry.Builder, out var slots)) free.Add(entry.Builder, slots = new());
            if (slots.TryPeek(out var last, out var end) && end <= entry.Start) before.Add(slots.Dequeue());
            slots.Enqueue(place, entry.End);
            return before;
        })];
    }
}
