using System.Collections.Concurrent;
using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Hosting;
using NixBuildFarm.Observing;
using NixBuildFarm.Reporting;

namespace NixBuildFarm.Building;

/// <summary>
/// Shows a run in the streams of a command: results as objects, what was recovered from as warnings, decisions as verbose text. What was asked
/// for and did not come about is an error, and held back until the run has ended and been kept: an error may end the whole pipeline.
/// </summary>
internal sealed class PipelineObserver(CommandOutput output) : IBuildObserver
{
    /// <summary>The tag of build log lines in the information stream.</summary>
    public const string LogTag = "NixBuildLog";

    private readonly ConcurrentQueue<NixBuildResult> failures = new();

    /// <summary>Shows where the run stands; null: nothing does.</summary>
    public RunProgressDisplay? Display { get; init; }

    /// <summary>Whether lines of logs go to the information stream.</summary>
    public bool IsLogSeen { get; init; }

    public void Ended(NixBuildResult result)
    {
        output.Object(result);
        if (result.Status is NixBuildStatus.Failed or NixBuildStatus.TimedOut or NixBuildStatus.NoEligibleBuilder) failures.Enqueue(result);
    }

    /// <summary>The run has ended: says what failed in it.</summary>
    public void Complete()
    {
        while (failures.TryDequeue(out var result)) output.Error(result.ToErrorRecord());
    }

    public void BuilderFailed(NixBuilder builder, NixBuildFarmException error) => output.Warning(error.Recommendation is { } advice ? $"{error.Message} {advice}" : error.Message);

    public void HistoryFailed(HistoryException error) => output.Warning($"{error.Message} The build goes on without it. {error.Recommendation}");

    public void Decided(string message) => output.Verbose(message);

    public void Degraded(string message) => output.Warning(message);

    public void Printed(RunningBuild build, string line)
    {
        if (IsLogSeen) output.Information(LineLog.Tagged(build, line), LogTag, build.Name, build.Builder);
    }

    public void Progressed(RunProgress progress) => Display?.Show(progress);
}
