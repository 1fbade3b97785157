using System.Collections.Concurrent;
using NixBuildFarm.History;
using NixBuildFarm.Hosting;
using NixBuildFarm.Observing;
using NixBuildFarm.Reporting;

namespace NixBuildFarm.Building;

/// <summary>
/// Shows a run in the streams of a command: results as objects, recovered faults as warnings, decisions as verbose text. Failures of what
/// was asked for are errors, which are written only after the run has ended and is in the history: an error may end the whole pipeline.
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

    public void Observe(RunNews news)
    {
        switch (news)
        {
            case RunNews.Ended(var result): End(result); break;
            case RunNews.BuilderFailed(_, { Recommendation: { } advice } error): output.Warning($"{error.Message} {advice}"); break;
            case RunNews.BuilderFailed(_, var error): output.Warning(error.Message); break;
            case RunNews.HistoryFailed(var error):
                output.Warning($"{error.Message} The build goes on without it. {error.Recommendation}");
                break;
            case RunNews.Decided(var message): output.Verbose(message); break;
            case RunNews.Degraded(var message): output.Warning(message); break;
            case RunNews.Printed(var build, var line) when IsLogSeen:
                output.Information(BuildOutputLog.Tagged(build, line), LogTag, build.Name, build.Builder);
                break;
            case RunNews.Progressed(var progress): Display?.Show(progress); break;
        }
    }

    /// <summary>The run has ended: writes its failures.</summary>
    public void Complete()
    {
        while (failures.TryDequeue(out var result)) output.Error(result.ToErrorRecord());
    }

    private void End(NixBuildResult result)
    {
        output.Object(result);
        if (result.Status.HasFailed()) failures.Enqueue(result);
    }
}
