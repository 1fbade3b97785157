using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Playing;

namespace NixBuildFarm.Bench;

/// <summary>
/// What it is worth that placement counts memory: each graph on the article's farm with 16, 8, 8 and 32 GB. True peaks are drawn from what
/// is known of each package; where those that run have more than the machine, the largest is killed and built again.
/// </summary>
internal static class SchedulerMemory
{
    private const double GB = 1e9;

    private static readonly long[] Memories = [(long)(16 * GB), (long)(8 * GB), (long)(8 * GB), (long)(32 * GB)];

    public static void Print(IReadOnlyList<BenchGraph> graphs)
    {
        Console.WriteLine("| graph | bound, min | without memory: killed | ÷ bound | with memory: killed | ÷ bound "
            + "| ÷ bound of what is kept | peaks known: killed | ÷ bound | "
            + "stock Nix: killed | ÷ bound | Hydra: killed | ÷ bound |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
        foreach (var graph in graphs)
        {
            FarmBuilder[] farm =
                [.. ReferenceFarms.Make("article", graph.Graph).Zip(Memories, (builder, memory) => builder with { Memory = memory })];
            var known = Enumerable.Range(0, graph.Graph.Count).Select(job => PackagePriors.For(graph.Graph[job])).ToArray();
            var truth = graph.Durations with { Memory = Draw(graph.Graph, farm, known) };
            var without = Play(graph.Graph, farm, truth, SchedulingRule.Portfolio, new Estimate[known.Length]);
            var with = Play(graph.Graph, farm, truth, SchedulingRule.Portfolio, known);
            var exact = Play(
                graph.Graph, farm, truth, SchedulingRule.Portfolio, [.. truth.Memory.Select(peak => new Estimate { Memory = peak })]);
            var nix = Play(graph.Graph, farm, truth, SchedulingRule.StockNix, known);
            var hydra = Play(graph.Graph, farm, truth, SchedulingRule.Hydra, known);
            var kept = LowerBound.Of(graph.Graph, farm, truth.Seconds, needs: [.. known.Select(estimate => estimate.MemoryNeed)]);
            Console.WriteLine($"| {graph.Name} | {with.Bound.Seconds / 60:f1} | {Cells(without)} | {Cells(with)} | "
                + $"{with.Makespan / Math.Max(kept.Seconds, with.Bound.Seconds):f3} | "
                + $"{Cells(exact)} | {Cells(nix)} | {Cells(hydra)} |");
        }
        Console.WriteLine();
    }

    private static SimulationResult Play(
        JobGraph graph, FarmBuilder[] farm, GraphDurations truth, SchedulingRule rule, IReadOnlyList<Estimate> memory)
    {
        Estimate[] estimates =
        [
            .. memory.Select((known, job) => known with { Seconds = truth.Seconds[job], Spread = 0, OutputBytes = truth.OutputBytes[job] }),
        ];
        return new FarmSimulator(new Scheduler(graph, farm, estimates, new SchedulerOptions { Policy = rule }), truth).Run();
    }

    /// <summary>True peaks, none of them larger than the largest machine that may build the job: no placement could save those.</summary>
    private static long[] Draw(JobGraph graph, IReadOnlyList<FarmBuilder> farm, Estimate[] known)
    {
        var random = new Random(1);
        return
        [
            .. known.Select((estimate, job) =>
            {
                var most = Eligibility.OnFarm(graph[job], farm).Zip(farm, (may, b) => may.IsEligible ? b.Memory!.Value : 0).Max();
                return (long)Math.Min(most, estimate.Memory * Math.Exp(estimate.MemorySpread * NormalDistribution.Draw(random)));
            }),
        ];
    }

    private static string Cells(SimulationResult result) =>
        $"{result.Killed}{(result.NotDone == 0 ? "" : $" ({result.NotDone} not built)")} | {result.Ratio:f3}";
}
