using NixBuildFarm.Builders;
using NixBuildFarm.Reporting;
using NixBuildFarm.Running;

namespace NixBuildFarm;

/// <summary>Shows a run in the streams of a command: results as objects, failures as errors, decisions as verbose text.</summary>
internal sealed class PipelineObserver(CommandOutput output, RunProgressDisplay? display = null) : IBuildObserver
{
    /// <summary>The tag of build log lines in the information stream.</summary>
    public const string LogTag = "NixBuildLog";

    /// <summary>Whether lines of logs go to the information stream.</summary>
    public bool IsLogSeen { get; init; }

    public void Ended(NixBuildResult result)
    {
        output.Object(result);
        if (result.Status is NixBuildStatus.Failed or NixBuildStatus.TimedOut or NixBuildStatus.NoEligibleBuilder) output.Error(result.ToErrorRecord());
    }

    public void BuilderFailed(NixBuilder builder, NixBuildFarmException error) => output.Error(error, builder);

    public void HistoryFailed(HistoryException error)
    {
        // What passes by itself is not worth an error; a file that has to be mended is.
        if (error.Failure == HistoryFailure.Unavailable) output.Warning($"{error.Message} The build goes on without it. {error.Recommendation}");
        else output.Error(error);
    }

    public void Decided(string message) => output.Verbose(message);

    public void Degraded(string message) => output.Warning(message);

    public void Printed(RunningBuild build, string line)
    {
        if (IsLogSeen) output.Information(LineLog.Tagged(build, line), LogTag, build.Name, build.Builder);
    }

    public void Progressed(RunProgress progress) => display?.Show(progress);
}
