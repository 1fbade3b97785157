using System.Diagnostics;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Simulation;

namespace NixBuildFarm.Bench;

/// <summary>What a decision costs as graph and farm grow.</summary>
internal static class SchedulerSpeed
{
    public static void Print()
    {
        Console.WriteLine("| derivations | builders | ranks, ms | decision after one event, µs: mean | 99 % | whole run without plan, s | "
            + "with portfolio, s | peak memory, MB |");
        Console.WriteLine("|---|---|---|---|---|---|---|---|");
        // The first is thrown away: it pays for the compiler.
        foreach (
            var (
                count,
                farm,
                isWarmUp) in new[] { (2_000, "N100", true), (1_000, "N1000", false), (10_000, "N1000", false), (100_000, "N100", false),
                (100_000, "N1000", false) })
        {
            var line = Measure(BenchGraph.Generated(count, 5, 2), farm);
            if (!isWarmUp) Console.WriteLine(line);
        }
    }

    private static string Measure(BenchGraph input, string farmName)
    {
        var farm = ReferenceFarms.Make(farmName, input.Graph);
        var clock = Stopwatch.StartNew();
        _ = new UpwardRank(input.Graph, input.Durations.Seconds.ToArray());
        var ranks = clock.Elapsed.TotalMilliseconds;
        var decisions = Decisions(input, farm);
        Array.Sort(decisions);
        clock.Restart();
        SchedulerQuality.Play(input, farm, SchedulingRule.EarliestFinish, EstimateKind.Exact);
        var plain = clock.Elapsed.TotalSeconds;
        clock.Restart();
        SchedulerQuality.Play(input, farm, SchedulingRule.Portfolio, EstimateKind.Exact);
        var planned = clock.Elapsed.TotalSeconds;
        var memory = Process.GetCurrentProcess().PeakWorkingSet64 / 1e6;
        return $"| {input.Graph.Count:n0} | {farm.Length} | {ranks:f0} | {decisions.Average():f1} | "
            + $"{decisions[decisions.Length * 99 / 100]:f1} | {plain:f2} | {planned:f2} | {memory:f0} |";
    }

    /// <summary>Microseconds of Apply and Decide for each event that ends a job, in a run where jobs end one by one.</summary>
    private static double[] Decisions(BenchGraph input, FarmBuilder[] farm)
    {
        var estimates = SimulatedEstimates.Make(EstimateKind.Exact, input.Graph, farm, input.Durations);
        var scheduler = new Scheduler(
            input.Graph, farm, estimates.Current, new SchedulerOptions { Policy = SchedulingRule.EarliestFinish });
        var running = new PriorityQueue<SchedulingDecision.Start, double>();
        var times = new List<double>();
        foreach (var start in scheduler.Decide(0).OfType<SchedulingDecision.Start>()) running.Enqueue(start, start.Finish);
        while (running.TryDequeue(out var ended, out var now))
        {
            var before = Stopwatch.GetTimestamp();
            scheduler.Apply(new SchedulingEvent.JobFinished(now, ended.Job, ended.Builder, input.Durations.OutputBytes[ended.Job]));
            var decisions = scheduler.Decide(now);
            times.Add(Stopwatch.GetElapsedTime(before).TotalMicroseconds);
            foreach (var start in decisions.OfType<SchedulingDecision.Start>()) running.Enqueue(start, Math.Max(now, start.Finish));
        }
        return [.. times];
    }
}
