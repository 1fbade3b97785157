using NixBuildFarm.History;
using NixBuildFarm.Hosting;
using NixBuildFarm.Planning;
using NixBuildFarm.Running;
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
    /// <summary>Makes the request.</summary>
    public required RequestMaker MakeRequest { get; init; }

    /// <summary>How builders are reached.</summary>
    public required IBuilderTransportFactory Transports { get; init; }

    /// <summary>The file for the output of all builds; null: none.</summary>
    public string? LogTo { get; init; }

    /// <summary>The file for the run as lines of internal-json; null: none.</summary>
    public string? JsonLog { get; init; }

    /// <summary>Whether lines of logs go to the information stream.</summary>
    public bool IsLogSeen { get; init; }

    /// <summary>Builds.</summary>
    public async Task BuildAsync(CommandOutput output, CancellationToken cancellation)
    {
        var request = await MakeRequest(output, cancellation);
        using var sinks = BuildSinks.Open(this, request.Named, output);
        using var history = new SqliteHistory(SqliteHistory.DefaultFile);
        var run = new BuildRun(request, Transports, history, sinks.Observer);
        try
        {
            await run.RunAsync(cancellation);
        }
        finally
        {
            sinks.End(run.Record);
        }
    }

    /// <summary>Writes the plan, and builds nothing.</summary>
    public async Task PlanAsync(CommandOutput output, CancellationToken cancellation)
    {
        var request = await MakeRequest(output, cancellation);
        using var history = ReadOnlyHistory.Open();
        foreach (
            var step in await new BuildPlanner(request, Transports, history.Store, new PipelineObserver(output)).PlanAsync(cancellation))
        {
            output.Object(step);
        }
    }
}
