using NixBuildFarm.Scheduling.Lending;

namespace NixBuildFarm.Scheduling;

/// <summary>How the scheduler decides. All but the first serve comparison.</summary>
public enum SchedulingRule
{
    /// <summary>Simulate a few heuristics, follow the one that ends first, think again when the estimates or the farm change.</summary>
    Portfolio,

    /// <summary>Upward rank, then the builder on which the job ends first, waiting for it where that pays.</summary>
    EarliestFinish,

    /// <summary>Upward rank, then the fastest builder that is free.</summary>
    CriticalPath,

    /// <summary>First ready, first served, by the fastest builder that is free.</summary>
    Fifo,

    /// <summary>
    /// The build hook of Nix: remote first, least load ÷ speed, then speed, then least load; local only when all eligible remote slots are
    /// taken.
    /// </summary>
    StockNix,

    /// <summary>The queue runner of Hydra: load ÷ speed rounded, then speed, then least load, over all machines.</summary>
    Hydra,
}

/// <summary>How a <see cref="Scheduler"/> shall work.</summary>
public sealed record SchedulerOptions
{
    /// <summary>How it decides.</summary>
    public SchedulingRule Policy { get; init; } = SchedulingRule.Portfolio;

    /// <summary>Whether the cores of a build follow the number of ready jobs; otherwise each has its fixed share of the machine.</summary>
    public bool Moldable { get; init; }

    /// <summary>Whether stragglers are started a second time.</summary>
    public bool Hedge { get; init; }

    /// <summary>Which builds have their compiles done by other builders too, on slots that no job can use.</summary>
    public ShareMode Share { get; init; }

    /// <summary>Seconds that it takes to begin a build that has all its inputs.</summary>
    public double StartOverhead { get; init; } = 0.05;

    /// <summary>Of the random numbers of the planning.</summary>
    public int Seed { get; init; } = 1;
}
