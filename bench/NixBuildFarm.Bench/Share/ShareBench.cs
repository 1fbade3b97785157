using System.Globalization;
using System.Runtime.InteropServices;
using NixBuildFarm.Bench.Farm;

namespace NixBuildFarm.Bench.Share;

/// <summary>
/// One derivation of many compiles on 1, 2, 4 and 8 builders of four slots; what sharing costs where it brings nothing; a rebuild; and
/// stock Nix on the same farm. Compiles last by sleeping, so that two cores suffice for all builders.
/// </summary>
internal static class ShareBench
{
    /// <summary>Trivial units whose processor time is measured, and seconds that another compile has the place at home meanwhile.</summary>
    private const int TrivialUnits = 40, Occupied = 90;

    /// <summary>Runs.</summary>
    /// <param name="module">The module's manifest.</param>
    /// <param name="toolchain">The folder of the compiler.</param>
    /// <param name="count">Units of the program.</param>
    /// <param name="mean">Seconds of their compiles, on the average.</param>
    /// <param name="isOfCostsOnly">Whether only what sharing costs is measured.</param>
    /// <param name="document">A document that has a place for the table, where it replaces the one before; null: none.</param>
    public static async Task RunAsync(string module, string toolchain, int count, double mean, bool isOfCostsOnly, string? document)
    {
        var work = Directory.CreateTempSubdirectory("nixbuildfarm-share-").FullName;
        var table = new ResultTable();
        try
        {
            var farm = await ShareFarm.PrepareAsync(module, work, toolchain);
            table.Line(string.Create(CultureInfo.InvariantCulture,
                $"{DateTime.UtcNow:yyyy-MM-dd}, {Environment.ProcessorCount} cores for all hosts, {RuntimeInformation.OSDescription}, .NET "
                    + $"{Environment.Version}, load {Load()} at the beginning. {count} units of {mean} s on the average.\n"));
            // What is made once for each compiler and helper is not of the builds that follow.
            await farm.OursAsync(await farm.InstantiateAsync("program", ("units", Lines(SharedProgram.Units(40, 0.5)))), 8, "Always");
            if (!isOfCostsOnly) await ScaleAsync(farm, table, SharedProgram.Units(count, mean));
            await CostsAsync(farm, table);
        }
        finally
        {
            Directory.Delete(work, recursive: true);
        }
        if (document is not null) await table.ReplaceAsync(document, "bench share");
    }

    private static async Task ScaleAsync(ShareFarm farm, ResultTable table, double[] units)
    {
        Task<string> ProgramAsync(string text, int edited = 0) =>
            farm.InstantiateAsync("program", ("units", Lines(units)), ("text", text), ("edited", $"{edited}"));
        table.Line("| | bound, s | took, s | ÷ bound | × one builder | compiles elsewhere |");
        table.Line("|---|---|---|---|---|---|");
        var alone = await farm.OursAsync(await ProgramAsync("alone"), 1, "Never");
        Row("1 builder, not shared", 1, alone.Seconds, "");
        SharedRun? last = null;
        foreach (var builders in new[] { 2, 4, 8 })
        {
            last = await farm.OursAsync(await ProgramAsync($"on {builders}"), builders, "Always");
            Row($"{builders} builders", builders, last.Seconds, $"{last.Shared} of {last.Compiles}");
        }
        var edited = await farm.OursAsync(await ProgramAsync("on 8", units.Length / 20), 8, "Always");
        Row("8 builders, 5 % of the files changed", 8, edited.Seconds, $"{edited.Shared} of {edited.Compiles}, {edited.Reused} found");
        table.Line(
            string.Create(
                CultureInfo.InvariantCulture, $"\nThe rebuild took {100 * edited.Seconds / last!.Seconds:0} % of the first time.\n"));
        var stock = await ShareFarm.StockAsync(await ProgramAsync("stock"));
        table.Line(
            string.Create(
                CultureInfo.InvariantCulture,
                $"Stock Nix on the same eight builders: {stock:0.0} s, so sharing is {stock / last.Seconds:0.0} × as fast.\n"));

        void Row(string name, int builders, double seconds, string elsewhere)
        {
            var bound = SharedProgram.Bound(units, builders * ShareFarm.Slots);
            table.Line(
                string.Create(
                    CultureInfo.InvariantCulture,
                    $"| {name} | {bound:0.0} | {seconds:0.0} | {seconds / bound:0.00} | {alone.Seconds / seconds:0.0} | {elsewhere} |"));
        }
    }

    private static async Task CostsAsync(ShareFarm farm, ResultTable table)
    {
        var plain = await OverheadAsync(farm, "Never", "");
        var atHome = await OverheadAsync(farm, "Always", "");
        var shared = await OverheadAsync(farm, "Always", $"{Occupied}");
        // A compile that leaves has its scan at home, and the assembler; the driver, which both are measured with, once.
        var (call, least) = (plain.Times["call"], plain.Times["scan"] + plain.Times["assemble"] - plain.Times["driver"]);
        table.Line("Processor time of a call of g++ for a trivial unit on the build's own builder:\n");
        table.Line("| | ms | more than it must |");
        table.Line("|---|---|---|");
        table.Line(string.Create(CultureInfo.InvariantCulture, $"| without sharing | {call:0.0} | |"));
        table.Line(
            string.Create(
                CultureInfo.InvariantCulture,
                $"| at home, {atHome.Run.Compiles - atHome.Run.Shared} of {atHome.Run.Compiles} compiles | {atHome.Times["call"]:0.0} | "
                    + $"{atHome.Times["call"] - call:0.0} |"));
        table.Line(string.Create(CultureInfo.InvariantCulture,
            $"| elsewhere, {shared.Run.Shared} of {shared.Run.Compiles} compiles | {shared.Times["call"]:0.0} | "
                + $"{shared.Times["call"] - least:0.0} besides its scan |"));
        var (without, with) = (new List<double>(), new List<double>());
        for (var run = 0; run < 3; run++)
        {
            without.Add((await farm.OursAsync(await farm.InstantiateAsync("nothing"), 2, "Never")).Build);
            with.Add((await farm.OursAsync(await farm.InstantiateAsync("nothing"), 2, "Always")).Build);
        }
        var (middle, middleShared) = (without.Order().ElementAt(1), with.Order().ElementAt(1));
        table.Line(
            string.Create(
                CultureInfo.InvariantCulture,
                $"\nA build with nothing to share: {middleShared:0.00} s, {middle:0.00} s where it is not shared "
                    + $"({Math.Round(100 * (middleShared - middle) / middle, 1) + 0:+0.0;−0.0;0.0} %; medians of three)."));
    }

    private static async Task<(
        SharedRun Run, Dictionary<string, double> Times)> OverheadAsync(ShareFarm farm, string share, string occupied)
    {
        var run = await farm.OursAsync(
            await farm.InstantiateAsync("overhead", ("units", $"{TrivialUnits}"), ("occupied", occupied)), 2, share, cores: 1);
        return (run, File.ReadAllLines(run.Output).Select(line => line.Split(' ')).ToDictionary(
            words => words[0],
            words => double.Parse(words[1], CultureInfo.InvariantCulture) / double.Parse(words[2], CultureInfo.InvariantCulture)));
    }

    private static string Lines(double[] units) =>
        string.Concat(units.Select(seconds => string.Create(CultureInfo.InvariantCulture, $"{seconds}\n")));

    private static string Load() => File.ReadAllText("/proc/loadavg").Split(' ')[0];
}
