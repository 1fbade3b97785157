using System.Diagnostics;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Playing;

namespace NixBuildFarm.Bench;

/// <summary>A column of the table: a rule, what it knows, and the seeds that tell anything new.</summary>
internal sealed record QualityColumn(string Title, SchedulingRule Rule, Knowledge.Source Source, Func<int, bool> HasSeed)
{
    public bool IsOurs => Rule == SchedulingRule.Portfolio;

    public static readonly QualityColumn[] All =
    [
        new("exact", SchedulingRule.Portfolio, Knowledge.Exact, seed => seed == 1),
        new("exact by other truths", SchedulingRule.Portfolio, Knowledge.Exact, seed => seed % 2 == 0),
        new(
            "learnt",
            SchedulingRule.Portfolio,
            Knowledge.Seen(part: 0.95, each: 2, drift: 0.15, noise: 0.2, EstimateSource.Run),
            _ => true),
        new(
            "nom",
            SchedulingRule.Portfolio,
            Knowledge.Seen(part: 0.5, each: 1, drift: 0.2, noise: 0.3, EstimateSource.NixOutputMonitor),
            _ => true),
        new(
            "logs",
            SchedulingRule.Portfolio,
            Knowledge.Seen(part: 0.5, each: 1, drift: 0.2, noise: 0.2, EstimateSource.NixLog),
            _ => true),
        new("table", SchedulingRule.Portfolio, Knowledge.Table, _ => true),
        new("table × 0.4", SchedulingRule.Portfolio, Knowledge.WrongBy(0.4), _ => true),
        new("table × 0.7", SchedulingRule.Portfolio, Knowledge.WrongBy(0.7), _ => true),
        new("names", SchedulingRule.Portfolio, Knowledge.Names, _ => true),
        new("nothing", SchedulingRule.Portfolio, Knowledge.Nothing, _ => true),
        new("EFT exact", SchedulingRule.EarliestFinish, Knowledge.Exact, seed => seed == 1),
        new("stock Nix", SchedulingRule.StockNix, Knowledge.Exact, seed => seed <= 2 || seed % 2 == 0),
        new("Hydra", SchedulingRule.Hydra, Knowledge.Exact, seed => seed <= 2 || seed % 2 == 0),
        new("FIFO", SchedulingRule.Fifo, Knowledge.Exact, seed => seed <= 2 || seed % 2 == 0),
    ];
}

/// <summary>One run: a graph on a farm, with what is known and what is true.</summary>
internal sealed record QualityCase(string Farm, BenchGraph Graph, QualityColumn Column, int Seed)
{
    /// <summary>What it would be in another run with the same truth.</summary>
    public int TruthSeed => Seed % 2 == 1 ? 1 : Seed;

    /// <summary>Makespan ÷ bound, and the seconds that the simulation took.</summary>
    /// <param name="times">Of packages.</param>
    /// <param name="isPlain">Ours is earliest finish alone, without the portfolio: a hundred times as fast.</param>
    /// <param name="hedges">Ours may start a job a second time.</param>
    public (double Ratio, double Took) Play(PackageTimes times, bool isPlain, bool hedges)
    {
        var clock = Stopwatch.StartNew();
        var truth = Truth.Of(Graph, times, Seed);
        var estimates = Column.Source(truth, ReferenceFarms.Make(Farm, Graph.Graph));
        var options = new SchedulerOptions
        {
            Policy = isPlain && Column.IsOurs ? SchedulingRule.EarliestFinish : Column.Rule,
            Hedge = hedges && Column.IsOurs,
        };
        var scheduler = new Scheduler(Graph.Graph, estimates.Farm, estimates.Current, options);
        var ratio = new FarmSimulator(scheduler, truth.Durations, new SimulationOptions { Estimates = estimates }).Run().Ratio;
        return (ratio, clock.Elapsed.TotalSeconds);
    }

    public override string ToString() => $"{Farm} {Graph.Name} {Column.Title}, seed {Seed}";
}
