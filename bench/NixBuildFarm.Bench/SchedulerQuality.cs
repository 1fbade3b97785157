using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Playing;
using NixBuildFarm.Simulation;

namespace NixBuildFarm.Bench;

/// <summary>Makespan ÷ bound of each graph on each farm: ours with what may be known beforehand, and the rules of others.</summary>
internal static class SchedulerQuality
{
    private const double TableError = 0.4;

    private static readonly (string Title, SchedulingRule Policy, EstimateKind Kind, bool Hedge)[] Columns =
    [
        ("exact", SchedulingRule.Portfolio, EstimateKind.Exact, false),
        ("table × 0.4", SchedulingRule.Portfolio, EstimateKind.Table, false),
        ("own priors", SchedulingRule.Portfolio, EstimateKind.Priors, false),
        ("nothing", SchedulingRule.Portfolio, EstimateKind.None, false),
        ("nothing, hedged", SchedulingRule.Portfolio, EstimateKind.None, true),
        ("EFT exact", SchedulingRule.EarliestFinish, EstimateKind.Exact, false),
        ("stock Nix", SchedulingRule.StockNix, EstimateKind.Exact, false),
        ("Hydra", SchedulingRule.Hydra, EstimateKind.Exact, false),
        ("FIFO", SchedulingRule.Fifo, EstimateKind.Exact, false),
    ];

    public static void Print(IReadOnlyList<BenchGraph> graphs, IEnumerable<string> farms, bool quick)
    {
        Console.WriteLine($"| farm | graph | {string.Join(" | ", Columns.Select(c => c.Title))} |");
        Console.WriteLine($"|---|---|{string.Concat(Columns.Select(_ => "---|"))}");
        foreach (var farm in farms)
        {
            // A farm of a thousand is for graphs that can use it.
            var chosen = graphs.Where(g => g.Graph.Count < (quick ? 2000 : int.MaxValue) && (farm != "N1000" || g.Graph.Count > 2000))
                .ToArray();
            var ratios = chosen.Select(g => Columns.Select(c => Ratio(g, farm, c.Policy, c.Kind, c.Hedge)).ToArray()).ToArray();
            for (var g = 0; g < chosen.Length; g++) Row(farm, chosen[g].Name, ratios[g].Select(r => $"{r:f3}"));
            if (chosen.Length == 0) continue;
            Row($"**{farm}**", "**mean (worst)**", Columns.Select((_, c) =>
                $"**{Math.Exp(ratios.Average(r => Math.Log(r[c]))):f3} ({ratios.Max(r => r[c]):f2})**"));
        }
        Console.WriteLine();
    }

    public static double Ratio(BenchGraph input, string farmName, SchedulingRule policy, EstimateKind kind, bool hedge) =>
        Play(input, ReferenceFarms.Make(farmName, input.Graph), policy, kind, hedge).Ratio;

    public static SimulationResult Play(
        BenchGraph input, IReadOnlyList<FarmBuilder> farm, SchedulingRule policy, EstimateKind kind, bool hedge = false)
    {
        var estimates = SimulatedEstimates.Make(kind, input.Graph, farm, input.Durations, kind == EstimateKind.Table ? TableError : 0);
        var scheduler = new Scheduler(
            input.Graph, estimates.Farm, estimates.Current, new SchedulerOptions { Policy = policy, Hedge = hedge });
        return new FarmSimulator(scheduler, input.Durations, new SimulationOptions { Estimates = estimates }).Run();
    }

    private static void Row(string farm, string graph, IEnumerable<string> cells) =>
        Console.WriteLine($"| {farm} | {graph} | {string.Join(" | ", cells)} |");
}
