using System.Collections;
using System.Management.Automation;
using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Hosting;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Lending;
using NixBuildFarm.Scheduling.Playing;
using NixBuildFarm.Simulation;

namespace NixBuildFarm.Measuring;

/// <summary>
/// <para type="synopsis">
/// Plays a past run, or a graph of derivations, on its farm or another one in simulation, with the scheduler of real runs, and measures
/// what comes of it.
/// </para>
/// </summary>
[Cmdlet(VerbsDiagnostic.Measure, "NixBuild", DefaultParameterSetName = RunSet)]
[OutputType(typeof(NixBuildMeasurement))]
public sealed class MeasureNixBuildCommand : AsyncCommand
{
    private const string RunSet = "Run";
    private const string GraphSet = "Graph";

    private readonly List<string> runs = [];

    /// <summary>
    /// The id of a past run, or the beginning of it; results of its builds can be piped in. By default the last that built something.
    /// </summary>
    [Parameter(Position = 0, ParameterSetName = RunSet, ValueFromPipelineByPropertyName = true)]
    [Alias("RunId", "Id")]
    [ValidateNotNullOrEmpty]
    public string? Run { get; set; }

    /// <summary>
    /// Other builders than those of the run: objects, or names of those of the run and of configured ones, with wildcards.
    /// </summary>
    [Parameter(ParameterSetName = RunSet)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(BuilderNameCompleter))]
    public object[] Builder { get; set; } = [];

    /// <summary>
    /// Builders that there might be: tables with Systems, and where wanted Name, MaxJobs, SpeedFactor, Cores, SupportedFeatures,
    /// MandatoryFeatures.
    /// </summary>
    [Parameter(ParameterSetName = RunSet)]
    [ValidateNotNullOrEmpty]
    public Hashtable[] AddBuilder { get; set; } = [];

    /// <summary>Names of builders that shall not take part, with wildcards.</summary>
    [Parameter(ParameterSetName = RunSet)]
    [ValidateNotNullOrEmpty]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(BuilderNameCompleter))]
    public string[] WithoutBuilder { get; set; } = [];

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

    /// <summary>The scheduler's initial estimates: the true durations, those of a table of packages, or none.</summary>
    [Parameter]
    public EstimateKind Estimate { get; set; } = EstimateKind.Exact;

    /// <summary>
    /// The error of the estimates: standard deviation of the natural logarithm of a factor on each duration; 0.5 is a factor of 1.65.
    /// </summary>
    [Parameter]
    [ValidateRange(0.0, 10.0)]
    public double EstimateError { get; set; }

    /// <summary>Of the random numbers: the same seed gives the same result.</summary>
    [Parameter]
    [ValidateRange(0, int.MaxValue)]
    public int Seed { get; set; } = 1;

    /// <summary>How the scheduler decides; all but Portfolio are there to compare with.</summary>
    [Parameter]
    public SchedulingRule Policy { get; set; } = SchedulingRule.Portfolio;

    /// <summary>
    /// The cores of a build follow the number of builds that are ready, as in real runs; otherwise each has four. Runs: on.
    /// </summary>
    [Parameter]
    public SwitchParameter Moldable { get; set; }

    /// <summary>Whether builders do compiles of builds of others on slots that idle. Runs: Auto, as in real runs; graphs: Never.</summary>
    [Parameter]
    public ShareMode? Share { get; set; }

    /// <summary>The file for the schedule, a line of JSON for each build; an existing one is replaced.</summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? SchedulePath { get; set; }

    private SchedulerOptions Options => new()
    {
        Policy = Policy,
        Moldable = MyInvocation.BoundParameters.ContainsKey(nameof(Moldable)) ? Moldable : ParameterSetName == RunSet,
        Share = Share ?? (ParameterSetName == RunSet ? ShareMode.Auto : ShareMode.Never),
        Seed = Seed,
    };

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        if (Run is not null && !runs.Contains(Run)) runs.Add(Run);
    }

    /// <inheritdoc/>
    protected override void EndProcessing()
    {
        // Nothing through the pipeline asks for nothing, not for the latest run.
        if (MyInvocation.ExpectingInput && runs.Count == 0) return;
        var scheduleFile = SchedulePath is null ? null : this.FileOf(SchedulePath);
        if (ParameterSetName == RunSet) MeasureRuns(scheduleFile);
        else MeasureGraph(scheduleFile);
    }

    private void MeasureGraph(string? scheduleFile)
    {
        var (graphFile, durationFile, farmFile) = (this.FileOf(GraphPath), this.FileOf(DurationPath), this.FileOf(FarmPath));
        Await((output, cancellation) =>
        {
            var graph = SimulationFiles.ReadGraph(graphFile);
            var scenario = With(new Scenario
            {
                Graph = graph,
                Durations = SimulationFiles.ReadDurations(durationFile, graph),
                Farm = SimulationFiles.ReadFarm(farmFile),
            });
            return MeasureAsync(scenario, replay: null, scheduleFile, output, cancellation);
        });
    }

    private void MeasureRuns(string? scheduleFile) => Await(async (output, cancellation) =>
    {
        using var history = ReadOnlyHistory.Open();
        foreach (var run in runs.Count > 0 ? runs.Select(history.Run) : [history.LatestRun(NixBuildStatus.Built)])
        {
            var replay = RunReplay.Of(run);
            if (replay.Scenario.Graph.Count == 0)
            {
                output.Error(
                    new NixBuildFarmException(
                        "NothingToMeasure",
                        $"Nothing was built in the run {run.Id}, so there is nothing to replay.",
                        "Get-NixBuild lists the runs."),
                    run.Id);
                continue;
            }
            if (replay.NotBuilt > 0) output.Warning($"{replay.NotBuilt} derivations of the run {run.Id} were not built, and are left out.");
            var farm = await HypotheticalFarm.FromAsync(replay.Scenario.Farm, Builder, AddBuilder, WithoutBuilder, output, cancellation);
            await MeasureAsync(With(replay.Scenario) with { Farm = farm }, replay, scheduleFile, output, cancellation);
        }
    });

    private Scenario With(Scenario scenario) => scenario with { Estimate = Estimate, EstimateError = EstimateError, Options = Options };

    private static async Task MeasureAsync(
        Scenario scenario, RunReplay? replay, string? scheduleFile, CommandOutput output, CancellationToken cancellation)
    {
        var progress = new SimulationProgress(output, scenario.Graph.Count);
        SimulationResult result;
        SimulationResult? alone;
        try
        {
            result = await scenario.PlayAsync(progress, cancellation);
            alone = scenario.WithoutSharing is { } other ? await other.PlayAsync(progress, cancellation) : null;
        }
        finally
        {
            progress.Complete();
        }
        if (scheduleFile is not null) Write(scheduleFile, result);
        if (result.NotDone > 0) output.Warning(NotBuilt(scenario, result));
        output.Object(NixBuildMeasurement.Of(scenario, result, replay, alone));
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
            throw new NixBuildFarmException(
                "ScheduleNotWritten",
                $"The schedule could not be written to {file}: {e.Message}",
                "Name a file in a folder that is yours.",
                e);
        }
    }

    private static string NotBuilt(Scenario scenario, SimulationResult result)
    {
        var done = result.Schedule.Select(entry => entry.Job).ToHashSet();
        var first = scenario.Graph.TopologicalOrder.ToArray().First(job => !done.Contains(job));
        var why = ReasonText.Refusals(
            Eligibility.OnFarm(scenario.Graph[first], result.Farm).Select(eligibility => eligibility.Problem), result.Farm);
        return $"{result.NotDone} of {scenario.Graph.Count} builds are left out: no builder may take them, or something that they need. "
            + $"{scenario.Graph[first].Name}: {why}.";
    }
}
