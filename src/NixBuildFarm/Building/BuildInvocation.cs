using NixBuildFarm.History;
using NixBuildFarm.Hosting;
using NixBuildFarm.Planning;
using NixBuildFarm.Running;
using NixBuildFarm.Serving;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Building;

/// <summary>Makes the request of a build; Nix may have to be asked for builders and settings first.</summary>
internal delegate Task<BuildRequest> RequestMaker(CommandOutput output, CancellationToken cancellation);

/// <summary>
/// One call of Invoke-NixDistributedBuild. It is made on the pipeline's thread and holds all that the session was asked for: a job runs on
/// without the session.
/// </summary>
internal sealed record BuildInvocation
{
    private const int Tries = 100;
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);

    /// <summary>Makes the request.</summary>
    public required RequestMaker MakeRequest { get; init; }

    /// <summary>How builders are reached.</summary>
    public required IBuilderTransportFactory Transports { get; init; }

    /// <summary>The file for the output of all builds; null: none.</summary>
    public string? LogTo { get; init; }

    /// <summary>The file for the run as lines of internal-json; null: none.</summary>
    public string? JsonLog { get; init; }

    /// <summary>The file for the run as events, a line of JSON each; null: none.</summary>
    public string? EventLog { get; init; }

    /// <summary>Whether lines of logs go to the information stream.</summary>
    public bool IsLogSeen { get; init; }

    /// <summary>The farm that carries the run out; null: this process does.</summary>
    public FarmClient? Farm { get; init; }

    /// <summary>How urgent the run is among what the same user asks of the farm.</summary>
    public BuildPriority Priority { get; init; }

    /// <summary>Whether the run goes on in the farm when this process ends.</summary>
    public bool IsDetached { get; init; }

    /// <summary>Whether the whole terminal shows the run.</summary>
    public bool IsFull { get; init; }

    /// <summary>Told when the run has ended, and before its errors are written; null: nobody is.</summary>
    public Action<RunRecord>? Ended { get; init; }

    /// <summary>Builds.</summary>
    public async Task BuildAsync(CommandOutput output, CancellationToken cancellation)
    {
        if (IsFull) output = new HeldOutput(output);
        var request = await MakeRequest(output, cancellation);
        if (Farm is { } farm)
        {
            await JoinAsync(farm, request, output, cancellation);
            return;
        }
        using var sinks = BuildSinks.Open(this, request.Named, output);
        using var history = new SqliteHistory(SqliteHistory.DefaultFile);
        var run = new BuildRun(request, Transports, history, sinks.Observer);
        try
        {
            await run.RunAsync(cancellation);
        }
        finally
        {
            End(sinks, run.Record);
        }
    }

    private async Task JoinAsync(FarmClient farm, BuildRequest request, CommandOutput output, CancellationToken cancellation)
    {
        using var sinks = BuildSinks.Open(this, request.Named, output);
        RunRecord? record = null;
        try
        {
            var joined = new JoinedRun(request, farm, Transports, sinks.Observer) { Priority = Priority };
            var runId = await joined.RunAsync(IsDetached, cancellation);
            record = await FindAsync(runId, isEnded: !IsDetached, cancellation);
            if (!IsDetached) return;
            using var history = ReadOnlyHistory.Open();
            foreach (var run in history.Store.Runs(new()).Where(run => run.RunId == runId)) output.Object(run);
        }
        finally
        {
            End(sinks, IsDetached ? null : record);
        }
    }

    private void End(BuildSinks sinks, RunRecord? run)
    {
        sinks.End(run);
        if (run is not null) Ended?.Invoke(run);
    }

    /// <summary>The run as the farm has kept it, which it does beside the builds; null: it has not done so in time.</summary>
    private static async Task<RunRecord?> FindAsync(string runId, bool isEnded, CancellationToken cancellation)
    {
        for (var tries = 0; tries < Tries; tries++)
        {
            using (var history = ReadOnlyHistory.Open())
            {
                if (history.Store.Run(runId) is { } run && (!isEnded || run.State != RunState.Running)) return run;
            }
            await Task.Delay(Interval, cancellation);
        }
        return null;
    }

    /// <summary>Writes the plan, and builds nothing.</summary>
    public async Task PlanAsync(CommandOutput output, CancellationToken cancellation)
    {
        var request = await MakeRequest(output, cancellation);
        using var history = ReadOnlyHistory.Open();
        var plan = await new BuildPlanner(request, Transports, history.Store, new PipelineObserver(output)).PlanAsync(cancellation);
        foreach (var step in plan.Steps) output.Object(step);
        foreach (var line in PlanSummaryText.Of(plan)) output.Remark(line, PlanSummaryText.Tag);
    }
}
