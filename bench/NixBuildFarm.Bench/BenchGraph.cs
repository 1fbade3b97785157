using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Playing;
using NixBuildFarm.Simulation;

namespace NixBuildFarm.Bench;

/// <summary>A graph to measure with: read from a folder of real ones, or generated.</summary>
internal sealed record BenchGraph(string Name, JobGraph Graph, GraphDurations Durations)
{
    public static IReadOnlyList<BenchGraph> Read(string? folder) => folder is null
        ? [Generated(300, 1, "x86_64-linux"), Generated(3000, 2, "x86_64-linux"), Generated(12000, 3, "x86_64-linux", "aarch64-linux")]
        : Directory.GetFiles(folder, "*.dur.json.gz").Select(durations =>
        {
            var path = durations.Replace(".dur.json.gz", ".json.gz", StringComparison.Ordinal);
            var graph = SimulationFiles.ReadGraph(path);
            return new BenchGraph(Path.GetFileName(path)[..^".json.gz".Length], graph, SimulationFiles.ReadDurations(durations, graph));
        }).OrderBy(g => g.Graph.Count).ToArray();

    public static BenchGraph Generated(int count, int seed, params string[] systems)
    {
        var (graph, durations) = GraphGenerator.Make(count, systems, seed);
        return new BenchGraph($"generated-{count}", graph, durations);
    }
}
