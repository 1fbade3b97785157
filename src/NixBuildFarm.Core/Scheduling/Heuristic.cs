namespace NixBuildFarm.Scheduling;

/// <summary>How a builder is chosen.</summary>
internal enum PlacementRule
{
    /// <summary>Where the job ends first.</summary>
    EarliestFinish,

    /// <summary>As Nix's build hook does.</summary>
    StockNix,

    /// <summary>As Hydra's queue runner does.</summary>
    Hydra,
}

/// <summary>One way to place jobs; the portfolio tries several.</summary>
internal sealed record Heuristic
{
    /// <summary>How a builder is chosen. All below but the order is for earliest finish only.</summary>
    public PlacementRule Rule { get; init; }

    /// <summary>Whether a job may wait for a builder that is busy now and would still end it earlier.</summary>
    public bool Waits { get; init; } = true;

    /// <summary>
    /// How much of the run the jobs that only some builders may take can spread over: smaller closes more of these builders to others,
    /// 0 closes nothing. See <see cref="ScarceBuilders"/>.
    /// </summary>
    public double Reserve { get; init; } = 0.8;

    /// <summary>
    /// A job does not take a builder so slow that the run would last longer than this times its least time, where a faster one could still
    /// do it in time: it lets shorter jobs go first. 0: it takes it.
    /// </summary>
    public double Deadline { get; init; }

    /// <summary>
    /// Whether the last free slot of the fastest builders is kept for short jobs and for those on the critical path: a long job that could
    /// wait would make the next critical one wait for it.
    /// </summary>
    public bool Guards { get; init; }

    /// <summary>First ready, first served, instead of by rank.</summary>
    public bool IsFifo { get; init; }

    /// <summary>Deviation of a random factor on the weights that make the ranks; another order to try. 0: none.</summary>
    public double Noise { get; init; }

    /// <summary>Of that factor.</summary>
    public int Seed { get; init; }

    /// <summary>Whether what runs on a builder has to fit its memory. The rules of others know nothing of that.</summary>
    public bool CountsMemory => Rule == PlacementRule.EarliestFinish;

    /// <summary>What each policy begins with; the portfolio goes on from there.</summary>
    public static Heuristic Of(SchedulingRule policy) => policy switch
    {
        SchedulingRule.CriticalPath => new() { Waits = false, Reserve = 0 },
        SchedulingRule.Fifo => new() { Waits = false, Reserve = 0, IsFifo = true },
        SchedulingRule.StockNix => new() { Rule = PlacementRule.StockNix, Waits = false, Reserve = 0, IsFifo = true },
        SchedulingRule.Hydra => new() { Rule = PlacementRule.Hydra, Waits = false, Reserve = 0, IsFifo = true },
        _ => new(),
    };

    /// <summary>Whether both put the jobs in the same order.</summary>
    public bool HasSameOrder(Heuristic other) => Noise == other.Noise && (Noise == 0 || Seed == other.Seed);

    /// <summary>The factor for the weight of a job: lognormal, and always the same for a job and seed.</summary>
    public double FactorOf(int job)
    {
        if (Noise == 0) return 1;
        var u = Mix(((ulong)Seed << 32) + (ulong)job) / (double)(1UL << 53);
        var v = Mix(((ulong)Seed << 32) + (ulong)job + (1UL << 62)) / (double)(1UL << 53);
        return Math.Exp(Noise * Math.Sqrt(-2 * Math.Log(1 - u)) * Math.Cos(2 * Math.PI * v));
    }

    /// <summary>53 well-mixed bits of a number (the finaliser of SplitMix64).</summary>
    private static ulong Mix(ulong x)
    {
        x += 0x9E3779B97F4A7C15;
        x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9;
        x = (x ^ x >> 27) * 0x94D049BB133111EB;
        return (x ^ x >> 31) >> 11;
    }
}
