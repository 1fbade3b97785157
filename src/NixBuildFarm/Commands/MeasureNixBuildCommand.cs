using System.Management.Automation;
using NixBuildFarm.Measuring;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Simulation;

namespace NixBuildFarm.Commands;

/// <summary>
/// <para type="synopsis">Plays a graph of derivations on a farm in simulation, with the scheduler of real runs, and measures what comes of it.</para>
/// </summary>
[Cmdlet(VerbsDiagnostic.Measure, "NixBuild", DefaultParameterSetName = GraphSet)]
[OutputType(typeof(NixBuildMeasurement))]
public sealed class MeasureNixBuildCommand : AsyncCommand
{
    private const string GraphSet = "Graph";

    /// <summary>The graph: JSON, or JSON that gzip has compressed (<c>.gz</c>).</summary>
    [Parameter(Mandatory = true, ParameterSetName = GraphSet)]
    [ValidateNotNullOrEmpty]
    public string GraphPath { get; set; } = "";

    /// <summary>The durations and sizes of its nodes.</summary>
    [Parameter(Mandatory = true, ParameterSetName = GraphSet)]
    [ValidateNotNullOrEmpty]
    public string DurationPath { get; set; } = "";

    /// <summary>The farm.</summary>
    [Parameter(Mandatory = true, ParameterSetName = GraphSet)]
    [ValidateNotNullOrEmpty]
    public string FarmPath { get; set; } = "";

    /// <summary>What the scheduler is told of durations beforehand: the true ones, what a table of packages guesses, or nothing.</summary>
    [Parameter(ParameterSetName = GraphSet)]
    public EstimateKind Estimate { get; set; } = EstimateKind.Exact;

    /// <summary>How wrong it is told: standard deviation of the natural logarithm of a factor on each duration; 0.5 is a factor of 1.65.</summary>
    [Parameter(ParameterSetName = GraphSet)]
    [ValidateRange(0.0, 10.0)]
    public double EstimateError { get; set; }

    /// <summary>Of the random numbers: the same seed gives the same result.</summary>
    [Parameter]
    [ValidateRange(0, int.MaxValue)]
    public int Seed { get; set; } = 1;

    /// <summary>How the scheduler decides; all but Portfolio are there to compare with.</summary>
    [Parameter]
    public SchedulingPolicy Policy { get; set; } = SchedulingPolicy.Portfolio;

    /// <summary>The cores of a build follow the number of builds that are ready; otherwise each has four.</summary>
    [Parameter]
    public SwitchParameter Moldable { get; set; }

    /// <summary>The file for the schedule, a line of JSON for each build; one that is there is replaced.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? SchedulePath { get; set; }

    /// <inheritdoc/>
    protected override void EndProcessing()
    {
        var (graphFile, durationFile, farmFile) = (this.FileOf(GraphPath), this.FileOf(DurationPath), this.FileOf(FarmPath));
        var scheduleFile = SchedulePath is null ? null : this.FileOf(SchedulePath);
        Await(async (output, cancellation) =>
        {
            var graph = SimulationFiles.ReadGraph(graphFile);
            var scenario = new Scenario
            {
                Graph = graph,
                Durations = SimulationFiles.ReadDurations(durationFile, graph),
                Farm = SimulationFiles.ReadFarm(farmFile),
                Estimate = Estimate,
                EstimateError = EstimateError,
                Options = Options,
            };
            await MeasureAsync(scenario, scheduleFile, output, cancellation);
        });
    }

    private SchedulerOptions Options => new() { Policy = Policy, Moldable = Moldable, Seed = Seed };

    private static async Task MeasureAsync(Scenario scenario, string? scheduleFile, CommandOutput output, CancellationToken cancellation)
    {
        var progress = new SimulationProgress(output, scenario.Graph.Count);
        SimulationResult result;
        try
        {
            result = await scenario.PlayAsync(progress, cancellation);
        }
        finally
        {
            progress.Complete();
        }
        if (scheduleFile is not null) Write(scheduleFile, result);
        if (result.NotDone > 0) output.Warning(NotBuilt(scenario, result));
        output.Object(NixBuildMeasurement.Of(scenario, result));
    }

    private static void Write(string file, SimulationResult result)
    {
        try
        {
            using var writer = new StreamWriter(file) { NewLine = "\n" };
            SimulationFiles.WriteSchedule(writer, result);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new NixBuildFarmException("ScheduleNotWritten", $"The schedule could not be written to {file}: {e.Message}", "Name a file in a folder that is yours.", e);
        }
    }

    private static string NotBuilt(Scenario scenario, SimulationResult result)
    {
        var done = result.Schedule.Select(entry => entry.Job).ToHashSet();
        var first = scenario.Graph.TopologicalOrder.ToArray().First(job => !done.Contains(job));
        var why = ReasonText.Refusals(Eligibility.OnFarm(scenario.Graph[first], result.Farm).Select(eligibility => eligibility.Problem), result.Farm);
        return $"{result.NotDone} of {scenario.Graph.Count} builds are left out: no builder may take them, or something that they need. {scenario.Graph[first].Name}: {why}.";
    }
}
