using System.Diagnostics;
using NixBuildFarm.Bench;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Simulation;

var dir = args[1];
var policies = args[2].Split(',').Select(Enum.Parse<SchedulingPolicy>).ToArray();
var kinds = args[3].Split(',').Select(Enum.Parse<EstimateKind>).ToArray();
var farms = args.Length > 4 ? args[4].Split(',') : ReferenceFarms.Names;
var filter = args.Length > 5 ? args[5] : "";
foreach (var kind in kinds)
foreach (var f in farms)
{
    var logs = policies.Select(_ => new List<double>()).ToArray();
    foreach (var path in Directory.GetFiles(dir, "*.json.gz").Where(p => !p.Contains(".dur.") && !p.Contains("durations") && p.Contains(filter)).OrderBy(p => new FileInfo(p).Length))
    {
        var graph = SimulationFiles.ReadGraph(path);
        if (f == "N1000" && graph.Count < 2000) continue;
        var truth = SimulationFiles.ReadDurations(path.Replace(".json.gz", ".dur.json.gz"), graph);
        var farm = ReferenceFarms.Make(f, graph);
        var line = $"{kind,-7}{f,-9}{Path.GetFileName(path)[..^8],-22}";
        for (var p = 0; p < policies.Length; p++)
        {
            var estimates = SimulatedEstimates.Make(kind, graph, farm, truth, kind == EstimateKind.Table ? 0.4 : 0);
            var clock = Stopwatch.StartNew();
            var scheduler = new Scheduler(graph, farm, estimates.Current, new SchedulerOptions { Policy = policies[p], Hedge = Environment.GetEnvironmentVariable("HEDGE") != null, Moldable = Environment.GetEnvironmentVariable("MOLD") != null });
            var result = new FarmSimulator(scheduler, truth, new SimulationOptions { Estimates = estimates }).Run();
            line += $" {result.Ratio,7:f4} ({clock.Elapsed.TotalSeconds:f2}s)";
            line += $"d{result.Decisions}"; if (result.NotDone > 0) line += " NOTDONE " + result.NotDone;
            if (args.Length > 6) { using var w = new StreamWriter(args[6]); SimulationFiles.WriteSchedule(w, result); }
            logs[p].Add(Math.Log(result.Ratio));
        }
        Console.WriteLine(line);
    }
    Console.WriteLine($"{kind,-7}{f,-9}{"GEOMEAN (worst)",-22}" + string.Concat(logs.Select(l => $" {Math.Exp(l.DefaultIfEmpty(0).Average()),7:f4} ({Math.Exp(l.DefaultIfEmpty(0).Max()):f3})")));
}
