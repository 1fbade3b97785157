using NixBuildFarm.Bench;

// scheduler [--graphs DIR] [--quick]: the tables of docs/benchmarks.md, as Markdown.
if (args is not ["scheduler", ..])
{
    Console.Error.WriteLine("usage: NixBuildFarm.Bench scheduler [--graphs DIR] [--quick]");
    return 1;
}
var at = Array.IndexOf(args, "--graphs");
var graphs = BenchGraph.Read(at >= 0 && at + 1 < args.Length ? args[at + 1] : null);
SchedulerQuality.Print(graphs, args.Contains("--quick"));
SchedulerAnomalies.Print(graphs.Where(g => g.Graph.Count < 2000));
SchedulerSpeed.Print();
return 0;
