using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Playing;
using NixBuildFarm.Simulation;

namespace NixBuildFarm.Bench;

/// <summary>A graph to measure with: read from a folder of real ones, or generated.</summary>
internal sealed record BenchGraph(string Name, JobGraph Graph, GraphDurations Durations)
{
    public static IReadOnlyList<BenchGraph> Read(string? folder) => folder is null
        ? [Generated(300, 1, 1), Generated(3000, 2, 1), Generated(12_000, 3, 2)]
        : Directory.GetFiles(folder, "*.dur.json.gz").Select(durations =>
        {
            var path = durations.Replace(".dur.json.gz", ".json.gz", StringComparison.Ordinal);
            var graph = SimulationFiles.ReadGraph(path);
            return new BenchGraph(Path.GetFileName(path)[..^".json.gz".Length], graph, SimulationFiles.ReadDurations(durations, graph));
        }).OrderBy(g => g.Graph.Count).ToArray();

    /// <summary>
    /// The graphs that decide: a half that constants are settled on, chosen before anything was measured, and a half held back.
    /// </summary>
    public static IReadOnlyList<BenchGraph> OfBothHalves(string? folder) =>
    [
        .. folder is null ? [] : Read(folder),
        Generated(3000, 2, 1),
        Generated(3000, 12, 1),
        Generated(15_000, 3, 3, chains: 12),
        Generated(15_000, 13, 4, chains: 12),
    ];

    /// <summary>Whether nothing is settled on this graph.</summary>
    public bool IsHeldBack => HeldBack.Contains(Name);

    private static readonly string[] HeldBack =
        ["linux-x86_64", "firefox-x86_64", "core-all-x86_64", "generated-3000-12-1-0", "generated-15000-13-4-12"];

    // The first one twice: a platform of four has twice the jobs of each other.
    private static readonly string[] Platforms = ["x86_64-linux", "aarch64-linux", "riscv64-linux", "x86_64-linux"];

    /// <summary>Generates a graph.</summary>
    /// <param name="count">Jobs.</param>
    /// <param name="seed">Of the random numbers.</param>
    /// <param name="platforms">1 to 4; with four, the first one has twice the jobs of each other.</param>
    /// <param name="chains">Chains of large builds of each.</param>
    public static BenchGraph Generated(int count, int seed, int platforms, int chains = 0)
    {
        var (graph, durations) = GraphGenerator.Make(count, Platforms[..platforms], seed, chains);
        return new BenchGraph($"generated-{count}-{seed}-{platforms}-{chains}", graph, durations);
    }

    /// <summary>Generates the graphs that are described as <c>JOBS:SEED:PLATFORMS:CHAINS</c>, with commas between them.</summary>
    public static IReadOnlyList<BenchGraph> Described(string graphs) =>
    [
        .. graphs.Split(',').Select(graph => graph.Split(':').Select(int.Parse).ToArray())
            .Select(figures => Generated(figures[0], figures[1], figures[2], figures[3])),
    ];
}
