using NixBuildFarm.Scheduling;
using NixBuildFarm.Simulation;

namespace NixBuildFarm.Bench;

/// <summary>Looks for anomalies: a farm that is better in one point and yet ends later.</summary>
internal static class SchedulerAnomalies
{
    public static void Print(IEnumerable<BenchGraph> graphs)
    {
        var (worst, tried, slower) = ((Factor: 1.0, What: "none found"), 0, 0);
        foreach (var input in graphs)
        {
            foreach (var name in ReferenceFarms.Names.Take(3))
            {
                var farm = ReferenceFarms.Make(name, input.Graph);
                var before = Makespan(input, farm);
                foreach (var (better, what) in Improvements(farm))
                {
                    var factor = Makespan(input, better) / before;
                    tried++;
                    if (factor > 1.0001) slower++;
                    if (factor > worst.Factor) worst = (factor, $"{input.Name} on {name}, {what}");
                }
            }
        }
        Console.WriteLine($"Anomalies (exact durations): {slower} of {tried} better farms end later; the worst by "
            + $"{(worst.Factor - 1) * 100:f2} % ({worst.What}).");
        Console.WriteLine();
    }

    private static double Makespan(BenchGraph input, IReadOnlyList<FarmBuilder> farm) =>
        SchedulerQuality.Play(input, farm, SchedulingRule.Portfolio, EstimateKind.Exact).Makespan;

    private static IEnumerable<(FarmBuilder[] Farm, string What)> Improvements(FarmBuilder[] farm)
    {
        for (var b = 0; b < Math.Min(4, farm.Length); b++)
        {
            var builder = farm[b];
            yield return (
                With(builder with { Systems = builder.Systems.Select(s => s with { Speed = s.Speed * 1.1 }).ToArray() }),
                $"{builder.Name} 10 % faster");
            yield return (
                With(builder with { MaxJobs = builder.MaxJobs + 1, Cores = builder.Cores + 4 }), $"{builder.Name} with one more slot");
            FarmBuilder[] With(FarmBuilder changed) => farm.Select(x => x == builder ? changed : x).ToArray();
        }
        yield return ([.. farm, farm[^1] with { Name = "another" }], "one more builder");
    }
}
