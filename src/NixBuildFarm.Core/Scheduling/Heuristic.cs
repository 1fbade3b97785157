namespace NixBuildFarm.Scheduling;

/// <summary>One way to place jobs; the portfolio tries several.</summary>
internal sealed record Heuristic
{
    /// <summary>Whether a job may wait for a builder that is busy now and would still end it earlier.</summary>
    public bool Waits { get; init; } = true;

    /// <summary>
    /// How much of the run the jobs that only some builders may take can spread over: smaller closes more of these builders to others,
    /// 0 closes nothing. See <see cref="ScarceBuilders"/>.
    /// </summary>
    public double Reserve { get; init; } = 0.8;

    /// <summary>First ready, first served, instead of by rank.</summary>
    public bool IsFifo { get; init; }

    /// <summary>Deviation of a random factor on the weights that make the ranks; another order to try. 0: none.</summary>
    public double Noise { get; init; }

    /// <summary>Of that factor.</summary>
    public int Seed { get; init; }
}
