using System.Collections.Concurrent;
using System.Management.Automation;
using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.Hosting;

namespace NixBuildFarm.Copying;

/// <summary>
/// Shows the copying of paths in the streams of a cmdlet, a line of progress for each builder. What was not copied is an error, and held back
/// until all else is: an error may end the whole pipeline.
/// </summary>
internal sealed class CopyObserver(CommandOutput output) : ICopyObserver
{
    private const int FirstId = 0x4e69;
    private static readonly TimeSpan ProgressInterval = TimeSpan.FromMilliseconds(200);

    private readonly ConcurrentQueue<ErrorRecord> errors = new();
    private readonly object gate = new();
    private readonly Dictionary<string, Row> rows = [];

    public void Copied(NixStorePathCopy copy) => output.Object(copy);

    public void PathFailed(string path, NixBuildFarmException error) => errors.Enqueue(error.ToErrorRecord(path));

    public void BuilderFailed(NixBuilder builder, NixBuildFarmException error) => errors.Enqueue(error.ToErrorRecord(builder));

    public void Decided(string message) => output.Verbose(message);

    public void Degraded(string message) => output.Warning(message);

    public void Progressed(CopyProgress progress)
    {
        lock (gate)
        {
            if (!rows.TryGetValue(progress.To, out var row)) rows.Add(progress.To, row = new(FirstId + rows.Count, Environment.TickCount64));
            var now = Environment.TickCount64;
            if (row.Shown is { } shown && now - shown < ProgressInterval.TotalMilliseconds) return;
            row.Shown = now;
            output.Progress(Show(progress, row, (now - row.Since) / 1000.0));
        }
    }

    /// <summary>Takes the progress display away, and says what was not copied.</summary>
    public void Complete()
    {
        lock (gate)
        {
            foreach (var (to, row) in rows) output.Progress(new(row.Id, $"Copying to {to}", "done") { RecordType = ProgressRecordType.Completed });
            rows.Clear();
        }
        while (errors.TryDequeue(out var error)) output.Error(error);
    }

    private static ProgressRecord Show(CopyProgress progress, Row row, double seconds)
    {
        var status = $"{progress.CopiedPaths} of {progress.Paths} paths, {HumanText.Bytes(progress.CopiedBytes)} of {HumanText.Bytes(progress.Bytes)}";
        var rate = seconds > 0.5 ? progress.CopiedBytes / seconds : 0;
        if (rate > 0) status += $", {HumanText.Bytes((long)rate)}/s";
        return new(row.Id, $"Copying to {progress.To}", status)
        {
            PercentComplete = progress.Bytes == 0 ? 100 : (int)(100 * progress.CopiedBytes / progress.Bytes),
            SecondsRemaining = rate > 0 ? (int)Math.Min(int.MaxValue, (progress.Bytes - progress.CopiedBytes) / rate) : -1,
        };
    }

    private sealed class Row(int id, long since)
    {
        public int Id { get; } = id;

        public long Since { get; } = since;

        public long? Shown { get; set; }
    }
}
