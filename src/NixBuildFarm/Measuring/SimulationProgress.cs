using System.Management.Automation;
using NixBuildFarm.Hosting;

namespace NixBuildFarm.Measuring;

/// <summary>Shows how far a simulation is.</summary>
internal sealed class SimulationProgress : IProgress<int>
{
    private const int ActivityId = 0x4e69;
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);

    private readonly CommandOutput output;
    private readonly int total;
    private long last = Environment.TickCount64;

    /// <summary>Says that a plan is being made.</summary>
    public SimulationProgress(CommandOutput output, int total)
    {
        (this.output, this.total) = (output, total);
        output.Progress(new(ActivityId, "Simulating", "planning"));
    }

    /// <summary>Says how many builds have been started.</summary>
    public void Report(int value)
    {
        if (Environment.TickCount64 - last < Interval.TotalMilliseconds) return;
        last = Environment.TickCount64;
        // A hedged or lost build is started again.
        var part = Math.Min(value, total);
        output.Progress(new(ActivityId, "Simulating", $"{part} of {total} builds") { PercentComplete = (int)(100L * part / Math.Max(1, total)) });
    }

    /// <summary>Takes the display away.</summary>
    public void Complete() => output.Progress(new(ActivityId, "Simulating", "done") { RecordType = ProgressRecordType.Completed });
}
