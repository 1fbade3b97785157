using System.Management.Automation;
using NixBuildFarm.Hosting;
using NixBuildFarm.Observing;

namespace NixBuildFarm.Building;

/// <summary>
/// Shows where a run stands as progress: a line for the run, and below it one for each builder that is at work. At most five times a second,
/// and once a second when nothing happens, so that times go on.
/// </summary>
internal sealed class RunProgressDisplay : IDisposable
{
    /// <summary>More lines than this fill a window; the others are counted.</summary>
    private const int MostLines = 12;

    private const int BuildsNamed = 3;
    private const int LongestName = 28;
    private static readonly TimeSpan Shortest = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(1);

    /// <summary>Runs of one session, at once or one after the other, have lines of their own.</summary>
    private static int lastActivity = 0x4e69;

    private readonly object gate = new();
    private readonly CommandOutput output;
    private readonly TimeProvider time;
    private readonly string activity;
    private readonly int id = Interlocked.Add(ref lastActivity, MostLines + 2);
    private readonly ITimer timer;
    private readonly List<string> lines = [];
    private RunProgress? latest;
    private DateTimeOffset latestAt;
    private DateTimeOffset shownAt;
    private bool isNew;
    private bool closed;

    /// <summary>Begins to show.</summary>
    /// <param name="output">Where.</param>
    /// <param name="named">What is built, in the user's words.</param>
    /// <param name="time">The clock.</param>
    public RunProgressDisplay(CommandOutput output, IReadOnlyList<string> named, TimeProvider time)
    {
        (this.output, this.time) = (output, time);
        activity = named.Count == 1 ? $"Building {Short(named[0])}" : "Building";
        timer = time.CreateTimer(_ => Refresh(), null, Shortest, Shortest);
    }

    /// <summary>Takes note of where the run stands.</summary>
    public void Show(RunProgress progress)
    {
        lock (gate)
        {
            if (closed) return;
            (latest, latestAt) = (progress, time.GetUtcNow());
            if (time.GetUtcNow() - shownAt >= Shortest) Write();
            else isNew = true;
        }
    }

    /// <summary>Takes the lines away.</summary>
    public void Dispose()
    {
        timer.Dispose();
        lock (gate)
        {
            if (closed) return;
            closed = true;
            for (var line = 0; line < lines.Count; line++) Clear(line);
            if (latest is not null) output.Progress(new(id, activity, "done") { RecordType = ProgressRecordType.Completed });
        }
    }

    private void Refresh()
    {
        lock (gate)
        {
            if (!closed && latest is not null && (isNew || time.GetUtcNow() - shownAt >= Longest)) Write();
        }
    }

    private void Write()
    {
        var now = time.GetUtcNow();
        (shownAt, isNew) = (now, false);
        output.Progress(Overall(latest!, now));
        var wanted = BuilderLines(latest!.Running, now);
        for (var line = 0; line < wanted.Count; line++)
        {
            var (builder, text) = wanted[line];
            // A line that becomes another builder's is told to end, for hosts that keep lines by their activity.
            if (line < lines.Count && lines[line] != builder) Clear(line);
            if (line == lines.Count) lines.Add(builder);
            lines[line] = builder;
            output.Progress(new(id + 1 + line, builder, text) { ParentActivityId = id });
        }
        while (lines.Count > wanted.Count)
        {
            Clear(lines.Count - 1);
            lines.RemoveAt(lines.Count - 1);
        }
    }

    private void Clear(int line) => output.Progress(new(id + 1 + line, lines[line], "done") { ParentActivityId = id, RecordType = ProgressRecordType.Completed });

    private ProgressRecord Overall(RunProgress progress, DateTimeOffset now)
    {
        var status = $"{progress.Done} of {progress.Total} built, {progress.Running.Count} running, {progress.Waiting} waiting";
        if (progress.Failed > 0) status += $", {progress.Failed} failed";
        if (progress.Supplied > 0) status += $", {HumanText.Bytes(progress.Supplied)} sent";
        var record = new ProgressRecord(id, activity, status) { PercentComplete = progress.Total == 0 ? 100 : 100 * (progress.Done + progress.Failed) / progress.Total };
        if (progress.Remaining is { } remaining) record.SecondsRemaining = (int)Math.Clamp((remaining - (now - latestAt)).TotalSeconds, 0, int.MaxValue);
        return record;
    }

    private static List<(string Builder, string Text)> BuilderLines(IReadOnlyList<RunningBuild> running, DateTimeOffset now)
    {
        var builders = running.GroupBy(build => build.Builder).OrderBy(own => own.Key, StringComparer.Ordinal).ToArray();
        List<(string, string)> shown = [.. builders.Take(builders.Length > MostLines ? MostLines - 1 : MostLines).Select(own => (own.Key, Text([.. own.OrderBy(build => build.Since)], now)))];
        if (builders.Length > MostLines) shown.Add(("…", $"{builders.Length - MostLines + 1} more builders at work"));
        return shown;
    }

    private static string Text(RunningBuild[] builds, DateTimeOffset now)
    {
        var text = string.Join(", ", builds.Take(BuildsNamed).Select(build => Text(build, now)));
        return builds.Length > BuildsNamed ? $"{text}, and {builds.Length - BuildsNamed} more" : text;
    }

    private static string Text(RunningBuild build, DateTimeOffset now)
    {
        var elapsed = now - build.Since;
        var span = HumanText.Span(elapsed > TimeSpan.Zero ? elapsed : TimeSpan.FromTicks(1));
        return build switch
        {
            { Phase: "supplying" } => $"{build.Name} (inputs on their way, {span})",
            { Expected: { } expected } => $"{build.Name} ({Phase(build)}{span} of about {HumanText.Span(expected)})",
            _ => $"{build.Name} ({Phase(build)}{span})",
        };
    }

    // The end of a path tells more than its beginning, and a window may be narrow.
    internal static string Short(string text) => text.Length <= LongestName ? text : "…" + text[^(LongestName - 1)..];

    private static string Phase(RunningBuild build) => build switch
    {
        { Compiles: { Units: > 0 } compiles } => $"compiling {Count(compiles.Units, "unit")} on {Count(compiles.Machines, "machine")}, ",
        { Phase: "building" } => "",
        _ => build.Phase + ", ",
    };

    private static string Count(int number, string what) => number == 1 ? $"1 {what}" : $"{number} {what}s";
}
