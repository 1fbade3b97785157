using System.Text.Json;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Playing;

namespace NixBuildFarm.Core.Tests.Simulation;

/// <summary>
/// Reads a schedule file and recomputes all that can be: shares no code with the scheduler or the simulator but the description of graph
/// and farm. Returns what is wrong, one line each.
/// </summary>
internal static class ScheduleChecker
{
    private const double Tolerance = 1e-4;

    private sealed record Entry(int Job, int Machine, double Start, double End, int Cores);

    public static IReadOnlyList<string> Check(
        string schedule, JobGraph graph, IReadOnlyList<FarmBuilder> farm, GraphDurations truth, bool moldable = false)
    {
        var problems = new List<string>();
        var entries = schedule.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => Read(line, farm)).ToArray();
        var byJob = new Entry?[graph.Count];
        foreach (var entry in entries)
        {
            if (byJob[entry.Job] is not null) problems.Add($"job {entry.Job} is there twice");
            byJob[entry.Job] = entry;
        }
        foreach (var entry in entries)
        {
            Precedence(entry, byJob, graph, problems);
            EligibleThere(graph[entry.Job], farm[entry.Machine], farm, problems);
            Duration(entry, graph[entry.Job], farm[entry.Machine], truth, moldable, problems);
        }
        for (var m = 0; m < farm.Count; m++) Capacity(entries.Where(e => e.Machine == m), farm[m], problems);
        return problems;
    }

    /// <summary>The longest chain at the largest speed of the farm, computed the plainest way: no makespan may be below it.</summary>
    public static double LongestChain(JobGraph graph, IReadOnlyList<FarmBuilder> farm, GraphDurations truth)
    {
        var fastest = farm.Max(b => b.Systems.Max(s => s.Speed));
        var end = new double[graph.Count];
        foreach (var job in graph.TopologicalOrder)
        {
            end[job] = graph[job].Dependencies.Select(d => end[d]).DefaultIfEmpty(0).Max() + truth.Seconds[job] / fastest;
        }
        return end.DefaultIfEmpty(0).Max();
    }

    private static Entry Read(string line, IReadOnlyList<FarmBuilder> farm)
    {
        var json = JsonDocument.Parse(line).RootElement;
        var name = json.GetProperty("machine").GetString();
        return new Entry(
            json.GetProperty("job").GetInt32(),
            farm.Select((b, i) => (b, i)).Single(x => x.b.Name == name).i,
            json.GetProperty("start").GetDouble(),
            json.GetProperty("end").GetDouble(),
            json.GetProperty("cores").GetInt32());
    }

    private static void Precedence(Entry entry, Entry?[] byJob, JobGraph graph, List<string> problems)
    {
        foreach (var dependency in graph[entry.Job].Dependencies)
        {
            if (byJob[dependency] is not { } needed) problems.Add($"job {entry.Job} ran without {dependency}");
            else if (needed.End > entry.Start + Tolerance) problems.Add($"job {entry.Job} began before {dependency} ended");
        }
    }

    private static void EligibleThere(Job job, FarmBuilder machine, IReadOnlyList<FarmBuilder> farm, List<string> problems)
    {
        bool Able(FarmBuilder b) => (job.System == "builtin" || b.Systems.Any(s => s.System == job.System))
            && job.RequiredFeatures.All(f => b.SupportedFeatures.Contains(f) || b.MandatoryFeatures.Contains(f))
            && b.MandatoryFeatures.All(f => job.RequiredFeatures.Contains(f)) && b.MaxJobs > 0 && b.Enabled;
        if (!Able(machine)) problems.Add($"{job.Name} may not run on {machine.Name}");
        if ((job.PreferLocal || job.System == "builtin") && !machine.IsLocal && farm.Any(b => b.IsLocal && Able(b)))
        {
            problems.Add($"{job.Name} should stay local");
        }
    }

    private static void Duration(Entry entry, Job job, FarmBuilder machine, GraphDurations truth, bool moldable, List<string> problems)
    {
        var speed = job.System == "builtin" ? machine.Systems[0].Speed : machine.Systems.Single(s => s.System == job.System).Speed;
        var seconds = truth.Seconds[entry.Job] / speed;
        if (moldable && job.EnableParallelBuilding) seconds *= (0.05 + 0.95 / entry.Cores) / (0.05 + 0.95 / 4);
        if (Math.Abs(entry.End - entry.Start - seconds) > Tolerance)
        {
            problems.Add($"job {entry.Job} took {entry.End - entry.Start}, not {seconds}");
        }
    }

    private static void Capacity(IEnumerable<Entry> entries, FarmBuilder machine, List<string> problems)
    {
        var (jobs, cores) = (0, 0);
        // An end before a start at the same time.
        var changes = entries.SelectMany(e => new[] { (At: e.Start, Change: 1, e.Cores), (At: e.End, Change: -1, e.Cores) });
        foreach (var (at, change, used) in changes.OrderBy(c => c.At + (c.Change > 0 ? Tolerance : 0)).ThenBy(c => c.Change))
        {
            jobs += change;
            cores += change * used;
            if (jobs > machine.MaxJobs) problems.Add($"{machine.Name} runs {jobs} jobs at {at}");
            if (cores > machine.TotalCores) problems.Add($"{machine.Name} uses {cores} cores at {at}");
        }
    }
}
