namespace NixBuildFarm.Bench;

/// <summary>The command <c>scheduler</c>: its parts, and the cases that are left by its filters.</summary>
internal static class SchedulerBench
{
    private static readonly string[] Filters = ["--generate", "--farm", "--graph", "--column", "--quick", "--seeds", "--plain", "--hedge"];

    /// <returns>Whether there was anything to measure.</returns>
    public static bool Print(BenchArguments options)
    {
        var part = options["--part"] ?? (Filters.Any(options.Has) ? "quality" : null);
        if (part is null or "quality" && !SchedulerQuality.Print(options)) return false;
        if (part is null or "anomalies") SchedulerAnomalies.Print(Graphs().Where(g => g.Graph.Count < 2000));
        if (part is null or "speed") SchedulerSpeed.Print();
        if (part is "sharing") SchedulerSharing.Print(Graphs());
        if (part is "memory") SchedulerMemory.Print(Graphs());
        return part is null or "quality" or "anomalies" or "speed" or "sharing" or "memory";

        BenchGraph[] Graphs() => [.. BenchGraph.Read(options["--graphs"]).Where(graph => options.Wants("--graph", graph.Name))];
    }
}
