using System.Management.Automation;
using NixBuildFarm.Builders;
using NixBuildFarm.Protocol;
using NixBuildFarm.Running;

namespace NixBuildFarm;

/// <summary>Shows a run in the streams of a cmdlet: results as objects, failures as errors, decisions as verbose text.</summary>
internal sealed class PipelineObserver(CommandOutput output) : IBuildObserver
{
    /// <summary>The tag of build log lines in the information stream.</summary>
    public const string LogTag = "NixBuildLog";

    private const int OverallId = 0x4e69;
    private static readonly TimeSpan ProgressInterval = TimeSpan.FromMilliseconds(200);

    private readonly object gate = new();
    private readonly Dictionary<RunningBuildKey, int> rows = [];
    private long lastProgress;

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

    public void Printed(RunningBuild build, string line) =>
        output.Information($"{build.Name} ({build.Builder})> {TerminalText.Strip(line)}", LogTag, build.Name, build.Builder);

    public void Progressed(RunProgress progress)
    {
        lock (gate)
        {
            var now = Environment.TickCount64;
            if (now - lastProgress < ProgressInterval.TotalMilliseconds && lastProgress != 0) return;
            lastProgress = now;
            output.Progress(Overall(progress));
            ShowBuilds(progress.Running);
        }
    }

    /// <summary>Takes the progress display away.</summary>
    public void Complete()
    {
        lock (gate)
        {
            foreach (var row in rows.Values) output.Progress(new(row, "done", "done") { RecordType = ProgressRecordType.Completed, ParentActivityId = OverallId });
            rows.Clear();
            output.Progress(new(OverallId, "Building", "done") { RecordType = ProgressRecordType.Completed });
        }
    }

    private static ProgressRecord Overall(RunProgress progress)
    {
        var status = $"{progress.Done} of {progress.Total} done, {progress.Running.Count} running, {progress.Waiting} waiting";
        if (progress.Failed > 0) status += $", {progress.Failed} failed";
        return new(OverallId, "Building", status) { PercentComplete = progress.Total == 0 ? 100 : 100 * (progress.Done + progress.Failed) / progress.Total };
    }

    private void ShowBuilds(IReadOnlyList<RunningBuild> running)
    {
        // Two derivations may have the same name.
        var current = running.DistinctBy(build => new RunningBuildKey(build.Name, build.Builder)).ToDictionary(build => new RunningBuildKey(build.Name, build.Builder));
        foreach (var (key, row) in rows.Where(row => !current.ContainsKey(row.Key)).ToArray())
        {
            output.Progress(new(row, key.Name, "done") { RecordType = ProgressRecordType.Completed, ParentActivityId = OverallId });
            rows.Remove(key);
        }
        foreach (var (key, build) in current)
        {
            if (!rows.TryGetValue(key, out var row)) rows.Add(key, row = FreeRow());
            var seconds = Math.Max(0, (DateTimeOffset.UtcNow - build.Since).TotalSeconds);
            output.Progress(new(row, build.Name, $"{build.Builder}: {build.Phase}, {seconds:0} s") { ParentActivityId = OverallId });
        }
    }

    private int FreeRow() => Enumerable.Range(OverallId + 1, rows.Count + 1).First(id => !rows.ContainsValue(id));

    private sealed record RunningBuildKey(string Name, string Builder);
}
