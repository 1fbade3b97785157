using System.Globalization;
using System.Text;
using NixBuildFarm.Logs;
using NixBuildFarm.Reporting.Events;
using NixBuildFarm.Serving;
using NixBuildFarm.Watching;

namespace NixBuildFarm.Farms;

/// <summary>A farm that serves as metrics, in the text format of Prometheus (version 0.0.4).</summary>
internal static class FarmMetrics
{
    /// <summary>The runs of a farm that go on, as their events tell them; those that cannot be read are left out.</summary>
    public static IReadOnlyList<WatchedRun> RunsOf(NixFarm farm)
    {
        var runs = new List<WatchedRun>();
        foreach (var id in farm.Runs)
        {
            var file = WatchFile.Of(WatchFile.DefaultFolder, id);
            if (!File.Exists(file)) continue;
            var run = new WatchedRun();
            foreach (var line in new LogFile(file, id, id).Lines(last: null))
            {
                if (RunEventLine.Parse(line) is { } happened) run.Apply(happened);
            }
            runs.Add(run);
        }
        return runs;
    }

    /// <summary>The text, for all farms together: each metric is described once.</summary>
    public static string Of(IReadOnlyList<(NixFarm Farm, IReadOnlyList<WatchedRun> Runs)> farms)
    {
        var text = new StringBuilder();
        Write("up", "Whether the farm serves.", one => [("", 1)]);
        Write("start_time_seconds", "Since when it serves, in seconds of Unix time.", one => [("", Unix(one.Farm.Started))]);
        Write("builders", "Builders of the farm.", one => [("", one.Farm.Builders.Count)]);
        Write("clients", "Nix clients that are connected.", one => [("", one.Farm.Clients)]);
        Write("runs", "Runs that go on.", one => [("", one.Farm.Runs.Count)]);
        Write("derivations", "Derivations of the runs that go on, by what they do.", one =>
        [
            (Label("state", "running"), one.Runs.Sum(run => run.Builds.Count)),
            (Label("state", "ready"), one.Runs.Sum(run => run.Ready.Count)),
            (Label("state", "blocked"), one.Runs.Sum(run => run.Blocked.Count)),
            (Label("state", "done"), one.Runs.Sum(run => run.Progress?.Done ?? 0)),
            (Label("state", "failed"), one.Runs.Sum(run => run.Progress?.Failed ?? 0)),
        ]);
        Write(
            "sent_bytes", "Bytes of inputs that the runs that go on have sent.",
            one => [("", one.Runs.Sum(run => run.Progress?.Bytes ?? 0))]);
        Write("builder_builds", "Builds that run, by builder.", one => one.Farm.Builders.Select(builder => (
            Label("builder", builder), (double)one.Runs.Sum(run => run.Builds.Count(build => build.Builder == builder)))));
        Write("builder_load", "Load of the last minute, as the machine last told.", one => Read(one.Runs, machine => machine.Load));
        Write(
            "builder_memory_available_bytes", "Memory that is available, as the machine last told.",
            one => Read(one.Runs, machine => machine.MemoryAvailable));
        return text.ToString();

        void Write(
            string name, string help,
            Func<(NixFarm Farm, IReadOnlyList<WatchedRun> Runs), IEnumerable<(string Label, double Value)>> values)
        {
            text.Append(CultureInfo.InvariantCulture, $"# HELP nixbuildfarm_{name} {help}\n# TYPE nixbuildfarm_{name} gauge\n");
            foreach (var one in farms)
            {
                foreach (var (label, value) in values(one))
                {
                    text.Append(CultureInfo.InvariantCulture, $"nixbuildfarm_{name}{{{Label("farm", one.Farm.Name)}{label}}} {value}\n");
                }
            }
        }
    }

    private static IEnumerable<(string, double)> Read(IReadOnlyList<WatchedRun> runs, Func<RunEventLine, double?> valueOf) => runs
        .SelectMany(run => run.Machines.Values)
        .GroupBy(machine => machine.Builder ?? "")
        .Select(own => (Builder: own.Key, Value: valueOf(own.MaxBy(machine => machine.Time)!)))
        .Where(reading => reading.Value is not null)
        .Select(reading => (Label("builder", reading.Builder), reading.Value!.Value));

    private static double Unix(DateTimeOffset moment) => moment.ToUnixTimeMilliseconds() / 1000.0;

    /// <summary>A label; those after the farm's begin with a comma.</summary>
    private static string Label(string name, string value)
    {
        var escaped = value.Replace("\\", @"\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)
            .Replace("\n", "\\n", StringComparison.Ordinal);
        return $"{(name == "farm" ? "" : ",")}{name}=\"{escaped}\"";
    }
}
