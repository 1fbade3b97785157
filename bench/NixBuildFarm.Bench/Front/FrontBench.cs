using System.Diagnostics;
using System.Runtime.InteropServices;
using NixBuildFarm.Bench.Farm;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Bench.Front;

/// <summary>
/// What it costs that Nix commands speak to a farm that serves and not to the local daemon itself: instantiating, of which every request is
/// passed on, and building derivations that do nothing, beside Invoke-NixDistributedBuild and stock Nix. The sides take turns.
/// </summary>
internal static class FrontBench
{
    private const int Derivations = 5000;
    private const string Address = "NIX_REMOTE";

    private static readonly string[] Cases = ["100 independent, trivial", "1,000 independent, trivial"];

    /// <summary>Runs, on the farm that the program runs in.</summary>
    /// <param name="module">The module's manifest.</param>
    /// <param name="runs">How often each side does each thing.</param>
    /// <param name="only">Cases whose names contain this; null: all.</param>
    /// <param name="into">A document that has a place for the tables; null: none.</param>
    public static async Task RunAsync(string module, int runs, string? only, string? into)
    {
        var work = Directory.CreateTempSubdirectory("nixbuildfarm-bench-").FullName;
        var table = new ResultTable();
        await File.WriteAllTextAsync("/etc/nix/machines", FarmSetting.Machines(FarmCase.All[0]));
        await using var front = await ServingFarm.StartAsync(module, work);
        var load = (await File.ReadAllTextAsync("/proc/loadavg")).Split(' ')[0];
        table.Line($"{DateTime.UtcNow:yyyy-MM-dd}, {Environment.ProcessorCount} cores for all hosts, load {load} at the start, "
            + $"{RuntimeInformation.OSDescription}, .NET {Environment.Version}.");
        table.Line($"Runs of each: {runs}; medians, and the range of all.\n");

        table.Line($"| `nix-instantiate` of {Derivations:N0} derivations | seconds | ÷ direct |");
        table.Line("|---|---|---|");
        var (direct, through) = (new List<double>(), new List<double>());
        for (var run = 0; run < runs; run++)
        {
            direct.Add(await InstantiateAsync(work, "daemon"));
            through.Add(await InstantiateAsync(work, front.Address));
        }
        table.Line($"| to the local daemon | {Figure(direct)} | |");
        table.Line($"| through the farm | {Figure(through)} | **{Median.Of(through) / Median.Of(direct):0.00}** |");

        Contender[] contenders =
        [
            new StockNix("stock, tuned", isTuned: true),
            new Ours("Invoke, first run", module, work, forgets: true),
            new Ours("Invoke, second run", module, work, forgets: false),
            new ThroughFront(front.Address),
        ];
        var names = string.Join(" | ", contenders.Select(one => one.Name));
        table.Line($"\n| builds, ms for each | {names} | farm ÷ Invoke | farm ÷ stock |");
        table.Line("|---|" + string.Concat(Enumerable.Repeat("---|", contenders.Length + 2)));
        var chosenCases = FarmCase.All.Where(
            one => Cases.Contains(one.Name) && (only is null || one.Name.Contains(only, StringComparison.OrdinalIgnoreCase)));
        foreach (var chosen in chosenCases)
        {
            table.Line(await RowAsync(chosen, contenders, work, runs));
        }
        if (into is not null) await table.ReplaceAsync(into, "bench front");
        Directory.Delete(work, recursive: true);
    }

    private static async Task<string> RowAsync(FarmCase chosen, Contender[] contenders, string work, int runs)
    {
        var file = Path.Combine(work, "case.nix");
        var milliseconds = contenders.ToDictionary(one => one, _ => new List<double>());
        for (var run = 0; run < runs; run++)
        {
            foreach (var contender in contenders.Where(one => !chosen.IsTooLongForStock || one is not StockNix))
            {
                await File.WriteAllTextAsync(file, chosen.Expression(Guid.NewGuid().ToString()));
                var ended = await contender.RunAsync(chosen, file);
                if (!ended.Succeeded) throw new InvalidOperationException($"{contender.Name} has not built {chosen.Name}.");
                milliseconds[contender].Add(ended.Seconds / chosen.Work.Count * 1000);
                await Console.Error.WriteLineAsync($"{chosen.Name}: {contender.Name}: {ended.Seconds:0.00} s");
            }
        }
        var farm = Median.Of(milliseconds[contenders[^1]]);
        return $"| {chosen.Name} | {string.Join(" | ", contenders.Select(one => Figure(milliseconds[one])))} | "
            + $"**{farm / Median.Of(milliseconds[contenders[^2]]):0.00}** | "
            + (milliseconds[contenders[0]].Count == 0 ? "– |" : $"{farm / Median.Of(milliseconds[contenders[0]]):0.00} |");
    }

    /// <summary>Seconds that it takes to instantiate derivations that nobody has seen before.</summary>
    private static async Task<double> InstantiateAsync(string work, string address)
    {
        var file = Path.Combine(work, "many.nix");
        await File.WriteAllTextAsync(file, $$"""
            builtins.genList (i: derivation {
              name = "many-${toString i}"; system = "x86_64-linux"; builder = "/bin/sh"; nonce = "{{Guid.NewGuid()}}";
              args = [ "-c" "echo ${toString i} > $out" ];
            }) {{Derivations}}
            """);
        var watch = Stopwatch.StartNew();
        var (succeeded, output) = await FarmSetting.RunAsync(
            "nix-instantiate", [file], new Dictionary<string, string> { [Address] = address });
        var seconds = watch.Elapsed.TotalSeconds;
        var count = output.Split('\n').Count(line => line.EndsWith(".drv", StringComparison.Ordinal));
        if (!succeeded || count != Derivations) throw new InvalidOperationException($"{count} derivations by {address}: {output}");
        await Console.Error.WriteLineAsync($"instantiating by {address}: {seconds:0.00} s");
        return seconds;
    }

    private static string Figure(List<double> values) =>
        values.Count == 0 ? "–" : $"{Median.Of(values):0.00} ({values.Min():0.00}–{values.Max():0.00})";

    /// <summary>Plain nix-build, which builds on a farm that serves.</summary>
    private sealed class ThroughFront(string address) : Contender("through the farm")
    {
        public override async Task<FarmRun> RunAsync(FarmCase chosen, string expression)
        {
            var watch = Stopwatch.StartNew();
            var (succeeded, output) = await FarmSetting.RunAsync(
                "nix-build", [expression, "--no-out-link"], new Dictionary<string, string> { [Address] = address });
            var built = output.Split('\n').Count(line => line.Contains(".drv' on '", StringComparison.Ordinal));
            return new FarmRun { Succeeded = succeeded && built >= chosen.Work.Count, Seconds = watch.Elapsed.TotalSeconds };
        }
    }
}
