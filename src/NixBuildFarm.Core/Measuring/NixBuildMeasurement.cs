using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Playing;

namespace NixBuildFarm.Measuring;

/// <summary>The result of a simulated run: how long, how near to the lower bound, and why.</summary>
public sealed class NixBuildMeasurement
{
    /// <summary>The run that was replayed; null for a graph from a file.</summary>
    public string? RunId { get; init; }

    /// <summary>How the scheduler decided.</summary>
    public required SchedulingRule Policy { get; init; }

    /// <summary>How many builds there were.</summary>
    public required int Jobs { get; init; }

    /// <summary>How many were left out, since no builder may take them or something that they need.</summary>
    public required int NotBuilt { get; init; }

    /// <summary>From the start of the run to the end of its last build.</summary>
    public required TimeSpan Makespan { get; init; }

    /// <summary>The real duration of the replayed run, on its own farm; null for a graph from a file.</summary>
    public TimeSpan? ActualMakespan { get; init; }

    /// <summary>What it would be if no compiles were shared; null where none were.</summary>
    public TimeSpan? WithoutSharing { get; init; }

    /// <summary>The lower bound of all schedules on this farm: see <see cref="Scheduling.LowerBound"/>.</summary>
    public required TimeSpan LowerBound { get; init; }

    /// <summary>Makespan ÷ lower bound, 1 is perfect; null where something was left out or nothing was to be done.</summary>
    public double? Ratio { get; init; }

    /// <summary>The work of each builder.</summary>
    public required IReadOnlyList<BuilderUtilisation> Utilisation { get; init; }

    /// <summary>
    /// The chain of builds with the longest total duration, without waits. On any farm, the run gets faster only if this chain does.
    /// </summary>
    public required IReadOnlyList<CriticalPathStep> CriticalPath { get; init; }

    /// <summary>Bytes that were moved between builders.</summary>
    public required long Transfers { get; init; }

    /// <summary>The policy and the makespan.</summary>
    public override string ToString() => $"{Policy}: {Makespan.TotalSeconds:0.0} s";

    /// <summary>Sums up a simulated run.</summary>
    /// <param name="scenario">The input of the simulation.</param>
    /// <param name="result">The result of the simulation.</param>
    /// <param name="replay">The run that it was made from; null where there was none.</param>
    /// <param name="alone">What came of it where nothing was shared; null: nothing could be.</param>
    public static NixBuildMeasurement Of(
        Scenario scenario, SimulationResult result, RunReplay? replay = null, SimulationResult? alone = null)
    {
        var entries = new ScheduledJob?[scenario.Graph.Count];
        var (jobs, busy) = (new int[result.Farm.Count], new double[result.Farm.Count]);
        foreach (var entry in result.Schedule)
        {
            entries[entry.Job] = entry;
            jobs[entry.Builder]++;
            busy[entry.Builder] += entry.End - entry.Start;
        }
        var utilisation = result.Utilisation;
        return new()
        {
            RunId = replay?.RunId,
            Policy = scenario.Options.Policy,
            Jobs = result.Schedule.Count,
            NotBuilt = result.NotDone,
            Makespan = Span(result.Makespan),
            ActualMakespan = replay?.ActualMakespan,
            WithoutSharing = alone is null ? null : Span(alone.Makespan),
            LowerBound = Span(result.Bound.Seconds),
            Ratio = result.NotDone == 0 && result.Bound.Seconds > 0 ? result.Ratio : null,
            Utilisation =
            [
                .. result.Farm.Select((builder, b) => new BuilderUtilisation(builder.Name, jobs[b], Span(busy[b]), utilisation[b])),
            ],
            CriticalPath = [.. LongestChain(scenario.Graph, entries).Select(entry => new CriticalPathStep(
                scenario.Graph[entry.Job].Name, result.Farm[entry.Builder].Name, Span(entry.Start), Span(entry.End - entry.Start)))],
            Transfers = result.BytesMoved,
        };
    }

    // A report's critical path, RunReportMaker.LatestChain, is another one: the chain that the run waited for, on its own farm.
    private static List<ScheduledJob> LongestChain(JobGraph graph, ScheduledJob?[] entries)
    {
        var (length, before) = (new double[graph.Count], new int[graph.Count]);
        var last = -1;
        foreach (var job in graph.TopologicalOrder)
        {
            before[job] = -1;
            if (entries[job] is not { } entry) continue;
            foreach (var dependency in graph.DependenciesOf(job))
            {
                if (before[job] < 0 || length[dependency] > length[before[job]]) before[job] = dependency;
            }
            length[job] = entry.End - entry.Start + (before[job] < 0 ? 0 : length[before[job]]);
            if (last < 0 || length[job] > length[last]) last = job;
        }
        var chain = new List<ScheduledJob>();
        for (var job = last; job >= 0; job = before[job])
        {
            if (entries[job] is { } entry) chain.Add(entry);
        }
        chain.Reverse();
        return chain;
    }

    // A file may have any figures.
    private static TimeSpan Span(double seconds) =>
        seconds < TimeSpan.MaxValue.TotalSeconds ? TimeSpan.FromSeconds(seconds) : TimeSpan.MaxValue;
}
