using NixBuildFarm.Bench;
using NixBuildFarm.Bench.Farm;
using NixBuildFarm.Bench.Front;
using NixBuildFarm.Bench.Parts;
using NixBuildFarm.Bench.Share;
using NixBuildFarm.Bench.Supplying;

// scheduler [--graphs DIR] [--farm NAME] [--quick] [--share] [--memory], parts [--derivations DIR], supply [--quick], session [--runs N],
// farm [--runs N], front [--runs N], share: the tables of docs/benchmarks.md, as Markdown.
switch (args)
{
    case ["scheduler", ..] when args.Contains("--share"):
        SchedulerSharing.Print(BenchGraph.Read(Value("--graphs")));
        return 0;
    case ["scheduler", ..] when args.Contains("--memory"):
        SchedulerMemory.Print(BenchGraph.Read(Value("--graphs")));
        return 0;
    case ["scheduler", ..]:
        var graphs = BenchGraph.Read(Value("--graphs"));
        SchedulerQuality.Print(
            graphs, ReferenceFarms.Names.Where(f => Value("--farm") is not { } only || only == f), args.Contains("--quick"));
        if (Value("--farm") is not null) return 0;
        SchedulerAnomalies.Print(graphs.Where(g => g.Graph.Count < 2000));
        SchedulerSpeed.Print();
        return 0;
    case ["parts", ..]:
        return PartsBench.Print(Value("--derivations"));
    case ["supply", ..]:
        await SupplyBench.PrintAsync(isQuick: args.Contains("--quick"), Value("--only"), Value("--way"));
        return 0;
    case ["session", ..] when Value("--module") is { } module:
        await SessionBench.PrintAsync(module, int.Parse(Value("--runs") ?? "5"));
        return 0;
    case ["farm", ..] when Value("--module") is { } module:
        await FarmBench.RunAsync(module, int.Parse(Value("--runs") ?? "3"), Value("--case"), Value("--json"), Value("--into"));
        return 0;
    case ["front", ..] when Value("--module") is { } module:
        await FrontBench.RunAsync(module, int.Parse(Value("--runs") ?? "5"), Value("--case"), Value("--into"));
        return 0;
    case ["share", ..] when Value("--module") is { } module && Value("--toolchain") is { } toolchain:
        await ShareBench.RunAsync(
            module,
            toolchain,
            int.Parse(Value("--units") ?? "300"),
            double.Parse(Value("--seconds") ?? "8", System.Globalization.CultureInfo.InvariantCulture),
            isOfCostsOnly: Value("--only") == "costs",
            Value("--into"));
        return 0;
    default:
        Console.Error.WriteLine("""
            usage: NixBuildFarm.Bench scheduler [--graphs DIR] [--farm NAME] [--quick] [--share] [--memory]
                   NixBuildFarm.Bench parts [--derivations DIR]
                   NixBuildFarm.Bench supply [--only large|layers|small|graphs] [--way ours] [--quick]     in a farm: tests/Farm/with-farm.sh
                   NixBuildFarm.Bench session --module FILE [--runs N]
                   NixBuildFarm.Bench farm --module FILE [--runs N] [--case WORDS] [--json FILE] [--into DOCUMENT]   there too
                   NixBuildFarm.Bench front --module FILE [--runs N] [--case WORDS] [--into DOCUMENT]   there too
                   NixBuildFarm.Bench share --module FILE --toolchain DIR [--units N] [--seconds S] [--only costs] [--into DOCUMENT]  too
            """);
        return 1;
}

string? Value(string option)
{
    var at = Array.IndexOf(args, option);
    return at >= 0 && at + 1 < args.Length ? args[at + 1] : null;
}
