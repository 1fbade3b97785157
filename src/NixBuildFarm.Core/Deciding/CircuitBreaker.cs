using NixBuildFarm.History;

namespace NixBuildFarm.Deciding;

/// <summary>
/// Decides when a builder is quarantined, for how long, and how long jobs wait for it: a builder that fails fast would otherwise attract
/// job after job. It opens when the builder is lost or has failed several times in a row, each time for twice as long, and forgets that
/// once the builder has built something.
/// </summary>
/// <param name="before">How often it had opened in earlier runs, and the builder has built nothing since.</param>
internal sealed class CircuitBreaker(int before = 0)
{
    /// <summary>Failures in a row after which the builder is quarantined.</summary>
    public const int FailuresInARow = 3;

    /// <summary>How often it may open before jobs no longer wait for the builder: by then it was tried for half a minute.</summary>
    public const int OpeningsWithHope = 5;

    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);
    private int before = before;
    private int failures;

    /// <summary>How often it has opened since the builder last built something.</summary>
    public int Openings { get; private set; } = before;

    /// <summary>
    /// Whether a job that only this builder could take should wait for it. What happened in earlier runs does not matter for that.
    /// </summary>
    public bool HasHope => Openings - before <= OpeningsWithHope;

    /// <summary>How long the quarantine lasts this time.</summary>
    public TimeSpan Pause =>
        TimeSpan.FromSeconds(
            Math.Min(BuilderTrouble.LongestPause.TotalSeconds, FirstPause.TotalSeconds * Math.Pow(2, Math.Min(Openings, 30) - 1)));

    /// <summary>The builder has failed. True: quarantine it now.</summary>
    public bool Fail()
    {
        // One that was quarantined before has a single try.
        if (++failures < FailuresInARow && Openings == 0) return false;
        Open();
        return true;
    }

    /// <summary>The builder is gone.</summary>
    public void Open()
    {
        failures = 0;
        Openings++;
    }

    /// <summary>The builder could not be reached at all: no job waits for it.</summary>
    public void GiveUpHope()
    {
        while (HasHope) Open();
    }

    /// <summary>The builder has built something.</summary>
    public void Close() => before = failures = Openings = 0;
}
