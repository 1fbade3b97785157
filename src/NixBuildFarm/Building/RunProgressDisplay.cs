using System.Management.Automation;
using NixBuildFarm.Builders;
using NixBuildFarm.Hosting;
using NixBuildFarm.Observing;

namespace NixBuildFarm.Building;

/// <summary>
/// Shows where a run stands as progress: a line for the run, and below it one for each builder that is at work. At most five times a
/// second, and once a second when nothing happens, so that times go on.
/// </summary>
internal sealed class RunProgressDisplay : IDisposable
{
    /// <summary>More lines than this fill a window; the others are counted.</summary>
    private const int MostLines = 12;

    private const int BuildsNamed = 3;
    private const int LongestName = 28;
    private static readonly TimeSpan Longest = TimeSpan.FromSeconds(1);

    private readonly object gate = new();
    private readonly CommandOutput output;
    private readonly TimeProvider time;
    private readonly string activity;
    private readonly ProgressLines progress;
    private readonly ITimer timer;
    private readonly List<string> lines = [];
    private RunProgress? latest;
    private DateTimeOffset latestAt;
    private bool isNew;
    private bool closed;

    /// <summary>Begins to show.</summary>
    /// <param name="output">Where.</param>
    /// <param name="named">What is built, in the user's words.</param>
    /// <param name="time">The clock.</param>
    public RunProgressDisplay(CommandOutput output, IReadOnlyList<string> named, TimeProvider time)
    {
        (this.output, this.time, progress) = (output, time, new(time, 1 + MostLines));
        activity = named.Count == 1 ? $"Building {Short(named[0])}" : "Building";
        timer = time.CreateTimer(_ => Refresh(), null, ProgressLines.Interval, ProgressLines.Interval);
    }

    /// <summary>Takes note of where the run stands.</summary>
    public void Show(RunProgress now)
    {
        lock (gate)
        {
            if (closed) return;
            (latest, latestAt) = (now, time.GetUtcNow());
            if (progress.IsDue) Write();
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
            if (latest is not null) output.Progress(ProgressLines.Ended(progress.FirstId, activity));
        }
    }

    private void Refresh()
    {
        lock (gate)
        {
            if (!closed && latest is not null && (isNew || progress.Age >= Longest)) Write();
        }
    }

    private void Write()
    {
        var now = time.GetUtcNow();
        progress.Shown();
        isNew = false;
        output.Progress(Overall(latest!, now));
        var wanted = BuilderLines(latest!, now);
        for (var line = 0; line < wanted.Count; line++)
        {
            var (builder, text) = wanted[line];
            // A line that changes its builder is ended first, for hosts that identify lines by their activity.
            if (line < lines.Count && lines[line] != builder) Clear(line);
            if (line == lines.Count) lines.Add(builder);
            lines[line] = builder;
            output.Progress(new(IdOf(line), builder, text) { ParentActivityId = progress.FirstId });
        }
        while (lines.Count > wanted.Count)
        {
            Clear(lines.Count - 1);
            lines.RemoveAt(lines.Count - 1);
        }
    }

    private int IdOf(int line) => progress.FirstId + 1 + line;

    private void Clear(int line) => output.Progress(ProgressLines.Ended(IdOf(line), lines[line], progress.FirstId));

    private ProgressRecord Overall(RunProgress run, DateTimeOffset now)
    {
        var status = $"{run.Done} of {run.Total} built, {run.Running.Count} running, {run.Waiting} waiting";
        if (run.Failed > 0) status += $", {run.Failed} failed";
        if (run.Pushing > 0) status += $", {run.Pushing} to be pushed";
        if (run.Supplied > 0) status += $", {HumanText.Bytes(run.Supplied)} sent";
        var percent = run.Total == 0 ? 100 : 100 * (run.Done + run.Failed) / run.Total;
        var record = new ProgressRecord(progress.FirstId, activity, status) { PercentComplete = percent };
        // PowerShell shows seconds that are left as if they were known.
        if (run is { Remaining: { } guess, IsRemainingGuess: true })
        {
            record.StatusDescription += $", {HumanText.Guess(guess)} to go";
        }
        else if (run.Remaining is { } remaining)
        {
            record.SecondsRemaining = (int)Math.Clamp((remaining - (now - latestAt)).TotalSeconds, 0, int.MaxValue);
        }
        return record;
    }

    private static List<(string Builder, string Text)> BuilderLines(RunProgress run, DateTimeOffset now)
    {
        var builders = run.Running.GroupBy(build => build.Builder).OrderBy(own => own.Key, StringComparer.Ordinal).ToArray();
        List<(string, string)> shown =
        [
            .. builders.Take(builders.Length > MostLines ? MostLines - 1 : MostLines)
                .Select(own => (
                    own.Key, Text([.. own.OrderBy(build => build.Since)], now) + Text(run.Machines.GetValueOrDefault(own.Key)))),
        ];
        if (builders.Length > MostLines) shown.Add(("…", $"{builders.Length - MostLines + 1} more builders at work"));
        return shown;
    }

    /// <summary>What the machine has, behind what it builds: a narrow window shows the builds.</summary>
    private static string Text(MachineReading? machine)
    {
        if (machine?.Load is null && machine?.MemoryAvailable is null) return "";
        string?[] parts =
        [
            machine.Load is null ? null : $"load {BuilderView.Load(machine.Load, machine.Cores)}",
            machine.Builds.Count(build => build.IsOwn == false) is > 0 and var others
                ? $"{HumanText.Count(others, "build")} of others"
                : null,
            machine.MemoryAvailable is { } memory ? $"{HumanText.Bytes(memory)} of memory free" : null,
        ];
        return $" [{string.Join(", ", parts.OfType<string>())}]";
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
            { Phase: "supplying" } => $"{build.Name} (receiving inputs, {span})",
            { Expected: { } guess, IsGuess: true } => $"{build.Name} ({Phase(build)}{span}, {HumanText.Guess(guess)})",
            { Expected: { } expected } => $"{build.Name} ({Phase(build)}{span} of about {HumanText.Span(expected)})",
            _ => $"{build.Name} ({Phase(build)}{span})",
        };
    }

    // The end of a path tells more than its beginning, and a window may be narrow.
    internal static string Short(string text) => text.Length <= LongestName ? text : "…" + text[^(LongestName - 1)..];

    private static string Phase(RunningBuild build) => build switch
    {
        { Compiles: { Units: > 0 } compiles } =>
            $"compiling {HumanText.Count(compiles.Units, "unit")} on {HumanText.Count(compiles.Machines, "machine")}, ",
        { Phase: "building" } => "",
        _ => build.Phase + ", ",
    };
}
