using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Lending;
using NixBuildFarm.Scheduling.Playing;
using NixBuildFarm.Simulation;

namespace NixBuildFarm.Measuring;

/// <summary>A graph on a farm, to be played in simulation by the scheduler that real runs have.</summary>
public sealed record Scenario
{
    /// <summary>The jobs.</summary>
    public required JobGraph Graph { get; init; }

    /// <summary>The true durations.</summary>
    public required GraphDurations Durations { get; init; }

    /// <summary>The builders.</summary>
    public required IReadOnlyList<FarmBuilder> Farm { get; init; }

    /// <summary>The scheduler's initial estimates.</summary>
    public EstimateKind Estimate { get; init; } = EstimateKind.Exact;

    /// <summary>How wrong that is: standard deviation of the natural logarithm of a factor on each duration.</summary>
    public double EstimateError { get; init; }

    /// <summary>How the scheduler decides; its seed is that of the errors as well.</summary>
    public SchedulerOptions Options { get; init; } = new();

    /// <summary>The same where no compiles are shared; null where none can be anyway.</summary>
    public Scenario? WithoutSharing =>
        Options.Share != ShareMode.Never && Farm.Count > 1
            && (Durations.Compiles ?? CompilePriors.Of(Graph)).Any(compiles => compiles.Share > 0)
            ? this with { Options = Options with { Share = ShareMode.Never } }
            : null;

    /// <summary>Plays it to the end.</summary>
    /// <param name="started">Told how many builds have been started so far.</param>
    /// <param name="cancellation">Ends the simulation, or the wait for a plan that is being made.</param>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    public Task<SimulationResult> PlayAsync(IProgress<int>? started, CancellationToken cancellation) =>
        Task.Run(() => Play(started, cancellation), cancellation).WaitAsync(cancellation);

    private SimulationResult Play(IProgress<int>? started, CancellationToken cancellation)
    {
        var durations = Options.Share == ShareMode.Never
            ? Durations
            : Durations with { Compiles = Durations.Compiles ?? CompilePriors.Of(Graph) };
        var estimates = SimulatedEstimates.Make(Estimate, Graph, Farm, durations, EstimateError, Options.Seed);
        var scheduler = new Scheduler(Graph, estimates.Farm, estimates.Current, Options);
        var starts = 0;
        return new FarmSimulator(scheduler, durations, new SimulationOptions { Estimates = estimates, Decided = Count }).Run();

        void Count(SchedulingDecision decision)
        {
            cancellation.ThrowIfCancellationRequested();
            if (decision is SchedulingDecision.Start) started?.Report(++starts);
        }
    }
}
