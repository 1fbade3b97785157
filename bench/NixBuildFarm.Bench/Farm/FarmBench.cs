using System.Runtime.InteropServices;
using System.Text.Json;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Bench.Farm;

/// <summary>Builds every case with every contender, in turn, on the farm that the program runs in, and prints one table.</summary>
internal static class FarmBench
{
    /// <summary>Runs.</summary>
    /// <param name="module">The module's manifest.</param>
    /// <param name="runs">How often each contender builds each case.</param>
    /// <param name="only">Cases whose names contain this; null: all.</param>
    /// <param name="json">A file for every single run; null: none.</param>
    /// <param name="into">A document that has a place for the table, where it replaces the one before; null: none.</param>
    public static async Task RunAsync(string module, int runs, string? only, string? json, string? into)
    {
        var work = Directory.CreateTempSubdirectory("nixbuildfarm-bench-").FullName;
        var contenders = Contender.All(module, work);
        var all = new List<Measured>();
        using var relays = new Relays();
        var table = new ResultTable();
        table.Line($"{DateTime.UtcNow:yyyy-MM-dd}, {Environment.ProcessorCount} cores for all hosts, {RuntimeInformation.OSDescription}, "
            + $"{(await FarmSetting.RunAsync("nix-build", ["--version"])).Output.Trim()}, .NET {Environment.Version}.");
        table.Line($"Runs of each: {runs}; medians, and the range of all.\n");
        table.Line(
            "| case (bound) | " + string.Join(" | ", contenders.Select(contender => contender.Name))
                + " | ours ÷ stock | ours ÷ tuned | idle slot | processor | memory | logins |");
        table.Line("|---|" + string.Concat(Enumerable.Repeat("---|", contenders.Count + 6)));
        foreach (var chosen in FarmCase.All.Where(one => only is null || one.Name.Contains(only, StringComparison.OrdinalIgnoreCase)))
        {
            await File.WriteAllTextAsync("/etc/nix/machines", FarmSetting.Machines(chosen));
            if (chosen.IsContentAddressed) await FarmSetting.AllowContentAddressedAsync();
            var measured = new List<Measured>();
            for (var run = 0; run < runs; run++)
            {
                foreach (var contender in contenders.Where(contender => contender.Takes(chosen)))
                {
                    measured.Add(new(chosen.Name, contender.Name, await MeasureAsync(contender, chosen, work)));
                    await Console.Error.WriteLineAsync($"{chosen.Name}: {contender.Name}: {measured[^1].Run.Seconds:0.00} "
                        + $"s{(measured[^1].Run.Succeeded ? "" : ", failed")}");
                }
            }
            table.Line(Row(chosen, contenders, measured));
            all.AddRange(measured);
        }
        if (json is not null) await File.WriteAllTextAsync(json, JsonSerializer.Serialize(all));
        if (into is not null) await table.ReplaceAsync(into, "bench farm");
        Directory.Delete(work, recursive: true);
    }

    private static async Task<FarmRun> MeasureAsync(Contender contender, FarmCase chosen, string work)
    {
        var file = Path.Combine(work, "case.nix");
        await File.WriteAllTextAsync(file, chosen.Expression(Guid.NewGuid().ToString()));
        var logins = await FarmSetting.LoginsAsync();
        File.Delete(Contender.MarkOf(file));
        var running = contender.RunAsync(chosen, file);
        if (chosen.LossAt is { } loss)
        {
            while (!running.IsCompleted && !File.Exists(Contender.MarkOf(file))) await Task.Delay(10);
            await Task.WhenAny(running, Task.Delay(TimeSpan.FromSeconds(loss)));
            await FarmSetting.RunAsync("farm", ["sshd-kill", FarmSetting.Lost]);
        }
        var run = await running;
        if (chosen.LossAt is not null) await FarmSetting.RunAsync("farm", ["sshd-start", FarmSetting.Lost]);
        return run with { Logins = await FarmSetting.LoginsAsync() - logins };
    }

    private static string Row(FarmCase chosen, IReadOnlyList<Contender> contenders, List<Measured> measured)
    {
        var cells = contenders.Select(
            contender => Cell(chosen, [.. measured.Where(one => one.Contender == contender.Name).Select(one => one.Run)]));
        FarmRun[] ours = [.. measured.Where(one => one.Contender.StartsWith("ours", StringComparison.Ordinal)).Select(one => one.Run)];
        string[] figures =
        [
            Beside("stock"),
            Beside("stock, tuned"),
            ours.Any(run => run.Idle is not null) ? $"{Median.Of(ours.Select(run => run.Idle ?? 0)) * 1000:0} ms" : "–",
            $"{Median.Of(ours.Select(run => run.Processor!.Value)) / chosen.Work.Count * 1000:0.0} ms",
            $"{ours.Max(run => run.Memory!.Value) / 1e6:0} MB",
            $"{Median.Of(ours.Select(run => (double)run.Logins)):0}",
        ];
        return $"| {chosen.Name}{(chosen.Bound > 0 ? $" ({chosen.Bound:0.0} s)" : "")} | {string.Join(" | ", cells.Concat(figures))} |";

        string Beside(string other)
        {
            FarmRun[] theirs = [.. measured.Where(one => one.Contender == other && one.Run.Succeeded).Select(one => one.Run)];
            return theirs.Length == 0
                ? "–"
                : $"{Median.Of(ours.Select(run => run.Seconds)) / Median.Of(theirs.Select(run => run.Seconds)):0.00}";
        }
    }

    private static string Cell(FarmCase chosen, FarmRun[] runs)
    {
        if (runs.Length == 0) return "–";
        var seconds = runs.Where(run => run.Succeeded).Select(run => run.Seconds).ToArray();
        if (seconds.Length == 0) return "fails";
        var middle = Median.Of(seconds);
        var figure = chosen.Bound > 0 ? $"**{middle / chosen.Bound:0.00}**" : $"**{middle / chosen.Work.Count * 1000:0.0} ms**";
        var failed = seconds.Length < runs.Length ? $", {runs.Length - seconds.Length} of {runs.Length} fail" : "";
        return $"{figure}, {middle:0.0} s ({seconds.Min():0.0}–{seconds.Max():0.0}){failed}";
    }

    private sealed record Measured(string Case, string Contender, FarmRun Run);

    /// <summary>The relays to all builders, and what ssh is told of them.</summary>
    private sealed class Relays : IDisposable
    {
        private readonly DelayingRelay[] relays =
        [
            .. FarmSetting.Builders.Select(builder => new DelayingRelay(builder, FarmSetting.OneWay)),
        ];

        public Relays() => File.WriteAllText(FarmSetting.SshConfig, string.Concat(FarmSetting.Builders.Zip(relays, (builder, relay) =>
            $"Host far-{builder}\n  HostName 127.0.0.1\n  Port {relay.Port}\n  HostKeyAlias {builder}\n")));

        public void Dispose()
        {
            foreach (var relay in relays) relay.Dispose();
            File.Delete(FarmSetting.SshConfig);
        }
    }
}
