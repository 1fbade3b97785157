using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Lending;
using NixBuildFarm.Scheduling.Playing;
using NixBuildFarm.Simulation;

namespace NixBuildFarm.Bench;

/// <summary>What sharing is worth: each graph on each farm, with and without.</summary>
internal static class SchedulerSharing
{
    private static readonly string[] Farms = ["article", "N20", "N100"];

    public static void Print(IReadOnlyList<BenchGraph> graphs)
    {
        Console.WriteLine("| farm | graph | alone: makespan, min | ÷ bound | shared: makespan, min | ÷ bound | own priors | ÷ bound | "
            + "shared ÷ alone | with own priors |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|---|---|");
        foreach (var farm in Farms)
        {
            var (exact, priors) = (new List<double>(), new List<double>());
            foreach (var graph in graphs)
            {
                var input = graph with { Durations = graph.Durations with { Compiles = CompilePriors.Of(graph.Graph) } };
                var (alone, shared, first) = (
                    Play(input, farm, ShareMode.Never, EstimateKind.Exact),
                    Play(input, farm, ShareMode.Auto, EstimateKind.Exact),
                    Play(input, farm, ShareMode.Auto, EstimateKind.Priors));
                var firstAlone = Play(input, farm, ShareMode.Never, EstimateKind.Priors);
                exact.Add(shared.Makespan / alone.Makespan);
                priors.Add(first.Makespan / firstAlone.Makespan);
                Console.WriteLine($"| {farm} | {graph.Name} | {Cells(alone)} | {Cells(shared)} | {Cells(first)} | {exact[^1]:f3} | "
                    + $"{priors[^1]:f3} |");
            }
            Console.WriteLine($"| **{farm}** | **mean (worst)** | | | | | | | **{Mean(exact)}** | **{Mean(priors)}** |");
        }
        Console.WriteLine();
    }

    private static SimulationResult Play(BenchGraph input, string farmName, ShareMode share, EstimateKind kind)
    {
        var farm = ReferenceFarms.Make(farmName, input.Graph);
        var estimates = SimulatedEstimates.Make(kind, input.Graph, farm, input.Durations);
        var scheduler = new Scheduler(input.Graph, estimates.Farm, estimates.Current, new SchedulerOptions { Share = share });
        return new FarmSimulator(scheduler, input.Durations, new SimulationOptions { Estimates = estimates }).Run();
    }

    private static string Cells(SimulationResult result) => $"{result.Makespan / 60:f1} | {result.Ratio:f3}";

    private static string Mean(List<double> ratios) => $"{Math.Exp(ratios.Average(Math.Log)):f3} ({ratios.Max():f2})";
}
