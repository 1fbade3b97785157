using System.Globalization;
using NixBuildFarm.Bench;
using NixBuildFarm.Bench.Farm;
using NixBuildFarm.Bench.Front;
using NixBuildFarm.Bench.Parts;
using NixBuildFarm.Bench.Share;
using NixBuildFarm.Bench.Supplying;

// The tables of docs/benchmarks.md, as Markdown.
var usages = new Dictionary<string, string>
{
    ["scheduler"] = """
        scheduler [--graphs DIR] [--data DIR] [--generate GRAPHS] [--quick] [--farm NAMES] [--graph NAMES] [--column TITLES]
                  [--seeds N] [--plain] [--hedge] [--part quality|anomalies|speed|sharing|memory]
          The scheduler in simulation. Without --graphs: generated graphs alone. Of NAMES and TITLES several may be given, with commas.
          --graphs DIR  real graphs: NAME.json.gz and NAME.dur.json.gz
          --data DIR    where merged-priors.csv is: build times of two sources. Without it durations are wrong by drawn factors alone
          --generate    other graphs in place of all: JOBS:SEED:PLATFORMS:CHAINS, e.g. 15000:7:3:0; several with commas
          --farm        article, article2, N20, N100, N1000
          --graph       as in the table
          --column      as in the table, e.g. "exact,table × 0.7"
          --seeds N     draws of what is not known (4; half as many for graphs of 10,000 jobs and more)
          --quick       graphs below 2,000 jobs, two seeds
          --plain       ours without the portfolio: about a hundred times as fast, for comparing many seeds
          --hedge       ours may start a job a second time
          --part        one part alone; quality, anomalies and speed make up the whole, and any filter leaves quality
        """,
    ["parts"] = "parts [--derivations DIR]",
    ["supply"] = "supply [--only large|layers|small|graphs] [--way ours] [--quick]     in a farm: tests/Farm/with-farm.sh",
    ["session"] = "session --module FILE [--runs N]     in a farm",
    ["channels"] = "channels [--runs N]     in a farm",
    ["soak"] = "soak --module FILE [--runs N]     in a farm; exits with 2 where the session holds more and more",
    ["farm"] = "farm --module FILE [--runs N] [--case WORDS] [--json FILE] [--into DOCUMENT]     in a farm",
    ["front"] = "front --module FILE [--runs N] [--case WORDS] [--into DOCUMENT]     in a farm",
    ["share"] = """
        share --module FILE --toolchain DIR [--units N] [--seconds S] [--only costs] [--into DOCUMENT]     in a farm
        """,
};
var command = args.FirstOrDefault() ?? "";
var options = new BenchArguments(args, usages.GetValueOrDefault(command) ?? "");
if (options.AsksForHelp)
{
    Console.WriteLine(Usage());
    return 0;
}
if (options.Unknown is { } unknown) return Refuse($"{command} has no option {unknown}");
switch (command)
{
    case "scheduler":
        return SchedulerBench.Print(options) ? 0 : Refuse("no case is left by these names");
    case "parts":
        return PartsBench.Print(options["--derivations"]);
    case "supply":
        await SupplyBench.PrintAsync(isQuick: options.Has("--quick"), options["--only"], options["--way"]);
        return 0;
    case "session" when options["--module"] is { } module:
        await SessionBench.PrintAsync(module, options.Number("--runs", 5));
        return 0;
    case "channels":
        await ChannelBench.PrintAsync(options.Number("--runs", 30));
        return 0;
    case "soak" when options["--module"] is { } module:
        return await SoakBench.PrintAsync(module, options.Number("--runs", 100)) ? 0 : 2;
    case "farm" when options["--module"] is { } module:
        await FarmBench.RunAsync(module, options.Number("--runs", 3), options["--case"], options["--json"], options["--into"]);
        return 0;
    case "front" when options["--module"] is { } module:
        await FrontBench.RunAsync(module, options.Number("--runs", 5), options["--case"], options["--into"]);
        return 0;
    case "share" when options["--module"] is { } module && options["--toolchain"] is { } toolchain:
        await ShareBench.RunAsync(
            module,
            toolchain,
            options.Number("--units", 300),
            double.Parse(options["--seconds"] ?? "8", CultureInfo.InvariantCulture),
            isOfCostsOnly: options["--only"] == "costs",
            options["--into"]);
        return 0;
    default:
        return Refuse(usages.ContainsKey(command) ? $"{command} needs more than was given" : "which benchmark?");
}

string Usage() => "usage: NixBuildFarm.Bench " + (usages.GetValueOrDefault(command) ?? string.Join("\n       or ", usages.Values));

int Refuse(string why)
{
    Console.Error.WriteLine($"{why}\n{Usage()}");
    return 1;
}
