using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Playing;
using NixBuildFarm.Simulation;

namespace NixBuildFarm.Bench;

/// <summary>Makespan ÷ bound of each graph on each farm: ours with what may be known beforehand, and the rules of others.</summary>
internal static class SchedulerQuality
{
    private const int Seeds = 4, QuickSeeds = 2, LargeGraph = 10_000, QuickGraph = 2000;

    /// <summary>Later by less than that is not worse.</summary>
    private const double Tolerance = 1.001;

    private static readonly Lock Progress = new();

    /// <summary>Plays the cases that the options leave, and prints a table for each half of the graphs.</summary>
    /// <returns>Whether there were any.</returns>
    public static bool Print(BenchArguments options)
    {
        var times = new PackageTimes(options["--data"]);
        QualityCase[] cases = [.. Cases(options)];
        if (cases.Length == 0) return false;
        var ratios = new Dictionary<QualityCase, double>(ReferenceEqualityComparer.Instance);
        // The largest first, so that the processors end together.
        var order = cases.OrderByDescending(c => (long)c.Graph.Graph.Count * (c.Column.IsOurs ? 10 : 1)).ToArray();
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount };
        Parallel.ForEach(System.Collections.Concurrent.Partitioner.Create(order, loadBalance: true), parallel, one =>
        {
            var (ratio, took) = one.Play(times, options.Has("--plain"), options.Has("--hedge"));
            lock (Progress)
            {
                ratios.Add(one, ratio);
                Console.Error.WriteLine($"[{ratios.Count}/{cases.Length}] {one}: {ratio:f3} ({took:f1} s)");
            }
        });
        foreach (var half in cases.OrderBy(c => c.Graph.IsHeldBack).GroupBy(c => c.Graph.IsHeldBack))
        {
            Console.WriteLine(half.Key ? "Held back:" : "Tuning half:");
            Console.WriteLine();
            PrintTable([.. half], ratios);
        }
        PrintWorse(cases, ratios);
        return true;
    }

    /// <summary>Plays one rule with one kind of estimates.</summary>
    public static SimulationResult Play(BenchGraph input, IReadOnlyList<FarmBuilder> farm, SchedulingRule rule, EstimateKind kind)
    {
        var estimates = SimulatedEstimates.Make(kind, input.Graph, farm, input.Durations);
        var scheduler = new Scheduler(input.Graph, estimates.Farm, estimates.Current, new SchedulerOptions { Policy = rule });
        return new FarmSimulator(scheduler, input.Durations, new SimulationOptions { Estimates = estimates }).Run();
    }

    private static IEnumerable<QualityCase> Cases(BenchArguments options)
    {
        var isQuick = options.Has("--quick");
        var seeds = options.Number("--seeds", isQuick ? QuickSeeds : Seeds);
        var graphs = options["--generate"] is { } described
            ? BenchGraph.Described(described)
            : BenchGraph.OfBothHalves(options["--graphs"]);
        return
            from farm in ReferenceFarms.Names
            where options.Wants("--farm", farm)
            from graph in graphs
            where options.Wants("--graph", graph.Name) && !(isQuick && graph.Graph.Count >= QuickGraph)
            // A farm of a thousand is for graphs that can use it.
            where farm != "N1000" || graph.Graph.Count > LargeGraph
            from column in QualityColumn.All
            where options.Wants("--column", column.Title)
            from seed in Enumerable.Range(1, graph.Graph.Count < LargeGraph ? seeds : Math.Max(2, seeds / 2))
            where column.HasSeed(seed)
            select new QualityCase(farm, graph, column, seed);
    }

    private static void PrintTable(QualityCase[] cases, Dictionary<QualityCase, double> ratios)
    {
        var columns = cases.Select(c => c.Column).Distinct().ToArray();
        Console.WriteLine($"| farm | graph | {string.Join(" | ", columns.Select(c => c.Title))} |");
        Console.WriteLine($"|---|---|{string.Concat(columns.Select(_ => "---|"))}");
        foreach (var farm in cases.GroupBy(c => c.Farm))
        {
            foreach (var graph in farm.GroupBy(c => c.Graph.Name))
            {
                Row(farm.Key, graph.Key, Cells(graph, "{0:f3}", "{0:f3} ({1:f2}–{2:f2})"));
            }
            Row($"**{farm.Key}**", "**mean (worst)**", Cells(farm, "**{0:f3}**", "**{0:f3} ({2:f2})**"));
        }
        Row("**all**", "**mean (worst)**", Cells(cases, "**{0:f3}**", "**{0:f3} ({2:f2})**"));
        Console.WriteLine();

        IEnumerable<string> Cells(IEnumerable<QualityCase> some, string one, string several) =>
            columns.Select(column =>
            {
                double[] its = [.. some.Where(c => c.Column == column).Select(c => ratios[c])];
                return its.Length == 0 ? "" : string.Format(
                    its.Length == 1 ? one : several, Math.Exp(its.Average(Math.Log)), its.Min(), its.Max());
            });
    }

    /// <summary>Where ours ends later than a rule that knows nothing, in the same truth.</summary>
    private static void PrintWorse(QualityCase[] cases, Dictionary<QualityCase, double> ratios)
    {
        var rules = cases.Where(c => c.Column.Rule is SchedulingRule.StockNix or SchedulingRule.Hydra)
            .ToLookup(c => (c.Farm, c.Graph, c.TruthSeed));
        foreach (var column in cases.Where(c => c.Column.IsOurs).GroupBy(c => c.Column))
        {
            var worse = column.SelectMany(c => rules[(c.Farm, c.Graph, c.TruthSeed)]
                .Where(other => ratios[c] > ratios[other] * Tolerance)
                .Select(other => $"{c} {ratios[c]:f3} against {ratios[other]:f3} of {other.Column.Title}")).ToArray();
            if (worse.Length > 0) Console.WriteLine($"Worse than a rule of others, {column.Key.Title}: {string.Join("; ", worse)}.");
        }
    }

    private static void Row(string farm, string graph, IEnumerable<string> cells) =>
        Console.WriteLine($"| {farm} | {graph} | {string.Join(" | ", cells)} |");
}
