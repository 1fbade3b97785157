using System.Collections.Concurrent;
using System.Diagnostics;
using System.Management.Automation;
using NixBuildFarm.Errors;
using NixBuildFarm.Hosting;
using NixBuildFarm.Observing;

namespace NixBuildFarm.Copying;

/// <summary>
/// Shows the copying of paths in the streams of a cmdlet, a line of progress for each builder. Paths that were not copied are errors, which
/// are written at the end: an error may end the whole pipeline.
/// </summary>
internal sealed class CopyObserver(CommandOutput output) : ICopyObserver
{
    private readonly ConcurrentQueue<ErrorRecord> errors = new();
    private readonly object gate = new();
    private readonly Dictionary<string, Row> rows = [];

    public void Copied(NixStorePathCopy copy) => output.Object(copy);

    public void PathFailed(string path, NixBuildFarmException error) => errors.Enqueue(error.ToErrorRecord(path));

    public void Observe(RunNews news)
    {
        switch (news)
        {
            case RunNews.BuilderFailed(var builder, var error): errors.Enqueue(error.ToErrorRecord(builder)); break;
            case RunNews.Decided(var message): output.Verbose(message); break;
            case RunNews.Degraded(var message): output.Warning(message); break;
        }
    }

    public void Progressed(CopyProgress progress)
    {
        lock (gate)
        {
            if (!rows.TryGetValue(progress.To, out var row)) rows.Add(progress.To, row = new());
            if (!row.Line.IsDue) return;
            row.Line.Shown();
            output.Progress(Show(progress, row));
        }
    }

    /// <summary>Takes the progress display away, and writes the errors.</summary>
    public void Complete()
    {
        lock (gate)
        {
            foreach (var (to, row) in rows) output.Progress(ProgressLines.Ended(row.Line.FirstId, $"Copying to {to}"));
            rows.Clear();
        }
        while (errors.TryDequeue(out var error)) output.Error(error);
    }

    private static ProgressRecord Show(CopyProgress progress, Row row)
    {
        var seconds = Stopwatch.GetElapsedTime(row.Since).TotalSeconds;
        var status =
            $"{progress.CopiedPaths} of {progress.Paths} paths, {HumanText.Bytes(progress.CopiedBytes)} of "
                + $"{HumanText.Bytes(progress.Bytes)}";
        var rate = seconds > 0.5 ? progress.CopiedBytes / seconds : 0;
        if (rate > 0) status += $", {HumanText.Bytes((long)rate)}/s";
        return new(row.Line.FirstId, $"Copying to {progress.To}", status)
        {
            PercentComplete = progress.Bytes == 0 ? 100 : (int)(100 * progress.CopiedBytes / progress.Bytes),
            SecondsRemaining = rate > 0 ? (int)Math.Min(int.MaxValue, (progress.Bytes - progress.CopiedBytes) / rate) : -1,
        };
    }

    private sealed class Row
    {
        public ProgressLines Line { get; } = new(TimeProvider.System);

        public long Since { get; } = Stopwatch.GetTimestamp();
    }
}
