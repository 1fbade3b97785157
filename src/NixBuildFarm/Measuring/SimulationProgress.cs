using NixBuildFarm.Hosting;

namespace NixBuildFarm.Measuring;

/// <summary>Shows how far a simulation is.</summary>
internal sealed class SimulationProgress : IProgress<int>
{
    private const string Activity = "Simulating";

    private readonly ProgressLines line = new(TimeProvider.System);
    private readonly CommandOutput output;
    private readonly int total;

    /// <summary>Shows that the plan is being made.</summary>
    public SimulationProgress(CommandOutput output, int total)
    {
        (this.output, this.total) = (output, total);
        line.Shown();
        output.Progress(new(line.FirstId, Activity, "planning"));
    }

    /// <summary>Shows how many builds have started.</summary>
    public void Report(int value)
    {
        if (!line.IsDue) return;
        line.Shown();
        // A hedged or lost build starts again.
        var started = Math.Min(value, total);
        output.Progress(
            new(line.FirstId, Activity, $"{started} of {total} builds") { PercentComplete = (int)(100L * started / Math.Max(1, total)) });
    }

    /// <summary>Takes the line away.</summary>
    public void Complete() => output.Progress(ProgressLines.Ended(line.FirstId, Activity));
}
