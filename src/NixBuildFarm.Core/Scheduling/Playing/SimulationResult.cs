using System.Runtime.InteropServices;

namespace NixBuildFarm.Scheduling.Playing;

/// <summary>Where and when a job ran; of a job that was started twice or more often, the attempt that counts.</summary>
/// <param name="Job">Index in the graph.</param>
/// <param name="Builder">Index in the farm.</param>
/// <param name="Start">When the build itself began, in seconds.</param>
/// <param name="End">When it ended.</param>
/// <param name="Cores">What it was allowed to use.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct ScheduledJob(int Job, int Builder, double Start, double End, int Cores);

/// <summary>What a simulated run came to.</summary>
public sealed record SimulationResult
{
    /// <summary>The builders, by index.</summary>
    public required IReadOnlyList<FarmBuilder> Farm { get; init; }

    /// <summary>The jobs that were done, in the order in which they ended.</summary>
    public required IReadOnlyList<ScheduledJob> Schedule { get; init; }

    /// <summary>Jobs that were not done: failed, abandoned, or no builder may take them.</summary>
    public required int NotDone { get; init; }

    /// <summary>What no schedule can beat, in seconds.</summary>
    public required LowerBound Bound { get; init; }

    /// <summary>Builds that were killed, since their machine had not the memory for all that ran there.</summary>
    public int Killed { get; init; }

    /// <summary>When the last job ended, in seconds.</summary>
    public double Makespan => Schedule.Count == 0 ? 0 : Schedule.Max(e => e.End);

    /// <summary>Makespan ÷ bound: 1 is perfect; NaN where nothing was to be done.</summary>
    public double Ratio => Makespan / Bound.Seconds;

    /// <summary>Bytes that were moved between builders.</summary>
    public required long BytesMoved { get; init; }

    /// <summary>How often <see cref="Scheduler.Decide"/> was called, plans not counted.</summary>
    public required int Decisions { get; init; }

    /// <summary>By builder: the part of its slots × makespan that builds filled.</summary>
    public IReadOnlyList<double> Utilisation
    {
        get
        {
            var busy = new double[Farm.Count];
            foreach (var entry in Schedule) busy[entry.Builder] += entry.End - entry.Start;
            var makespan = Makespan;
            return busy.Select((b, i) => Farm[i].MaxJobs == 0 || makespan == 0 ? 0 : b / (Farm[i].MaxJobs * makespan)).ToArray();
        }
    }
}
