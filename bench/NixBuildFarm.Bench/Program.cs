using NixBuildFarm.Bench;

// scheduler [--graphs DIR] [--farm NAME] [--quick]: the tables of docs/benchmarks.md, as Markdown.
if (args is not ["scheduler", ..])
{
    Console.Error.WriteLine("usage: NixBuildFarm.Bench scheduler [--graphs DIR] [--farm NAME] [--quick]");
    return 1;
}
var graphs = BenchGraph.Read(Value("--graphs"));
SchedulerQuality.Print(graphs, ReferenceFarms.Names.Where(f => Value("--farm") is not { } only || only == f), args.Contains("--quick"));
if (Value("--farm") is not null) return 0;
SchedulerAnomalies.Print(graphs.Where(g => g.Graph.Count < 2000));
SchedulerSpeed.Print();
return 0;

string? Value(string option)
{
    var at = Array.IndexOf(args, option);
    return at >= 0 && at + 1 < args.Length ? args[at + 1] : null;
}
