using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Playing;

namespace NixBuildFarm.Bench;

/// <summary>
/// What builds really take in one run. Odd seeds have the durations of the graph itself, which are of the first source; even seeds those of
/// the second source, and where it knows nothing, the graph's own, wrong by a factor of the package that is drawn. What is guessed from a
/// table is guessed from the other source.
/// </summary>
internal sealed record Truth(JobGraph Graph, GraphDurations Durations, PackageTable OtherSource, int Seed)
{
    public static Truth Of(BenchGraph graph, PackageTimes times, int seed) =>
        seed % 2 == 1
            ? new(graph.Graph, graph.Durations, times.Second, seed)
            : new(graph.Graph, graph.Durations with { Seconds = BySecond(graph, times, seed), TableSeconds = null }, times.First, seed);

    private static double[] BySecond(BenchGraph graph, PackageTimes times, int seed)
    {
        var factors = new PackageFactors(seed, PackageTimes.Deviation);
        return
        [
            .. graph.Durations.Seconds.Select((seconds, index) =>
            {
                var job = graph.Graph[index];
                if (PackagePriors.IsSmall(job)) return seconds;
                // Stages of one package stay as they are to each other.
                return (PackageTimes.Of(times.First, job), PackageTimes.Of(times.Second, job)) switch
                {
                    ({ } first, { } second) => seconds * second / first,
                    (null, { } second) => second,
                    _ => seconds * factors.Of(job),
                };
            }),
        ];
    }
}
