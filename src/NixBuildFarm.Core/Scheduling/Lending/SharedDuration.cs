namespace NixBuildFarm.Scheduling.Lending;

/// <summary>
/// How much sooner a build ends whose compiles are done on other builders too. A compile that leaves is read at home first; its helper
/// reads it too. As many leave as make home and helpers end together: T = S + C · max((a + r·s + (1 − r)·c) ÷ L, r·(c + s + k) ÷ H), with C
/// compiles of c seconds, of which the part r leaves, on L places at home and H of helpers.
/// </summary>
internal static class SharedDuration
{
    /// <summary>Processor seconds beside each compile at home (a): the driver, its wrapper, the assembler.</summary>
    private const double Rest = 0.15;

    /// <summary>Processor seconds to read what a compile needs (s): at home before it leaves, and on its helper.</summary>
    private const double Scan = 0.12;

    /// <summary>What else a compile costs its helper (k).</summary>
    private const double Overhead = 0.015;

    /// <summary>How many times as fast all compiles are over as at home alone; at least 1.</summary>
    /// <param name="seconds">Processor seconds of one compile.</param>
    /// <param name="homePlaces">Compiles at a time at home.</param>
    /// <param name="helperPlaces">Compiles at a time on helpers, each counted by its speed ÷ that of home.</param>
    public static double Gain(double seconds, double homePlaces, double helperPlaces)
    {
        if (!(helperPlaces > 0) || seconds <= Scan) return 1;
        var alone = (Rest + seconds) / homePlaces;
        var leaving = Math.Min(1, alone / ((seconds + Scan + Overhead) / helperPlaces + (seconds - Scan) / homePlaces));
        return Math.Max(1, alone * homePlaces / (Rest + leaving * Scan + (1 - leaving) * seconds));
    }

    /// <summary>The duration of a build, as a part of what it is without helpers.</summary>
    /// <param name="compiles">What is known of its compiles.</param>
    /// <param name="coresCount">Whether the number of its cores changes its duration.</param>
    /// <param name="homePlaces">Its cores.</param>
    /// <param name="helperPlaces">See <see cref="Gain"/>.</param>
    /// <param name="serialPart">See <see cref="Estimate.SerialPart"/>.</param>
    public static double Factor(
        CompileEstimate compiles, bool coresCount, int homePlaces, double helperPlaces, double serialPart = Estimate.TypicalSerialPart)
    {
        if (!(compiles.Share > 0)) return 1;
        // What is no compile takes as long however many cores there are.
        var part = coresCount
            ? Math.Min(1, compiles.Share * Estimate.ReferenceCores / homePlaces / Estimate.CoreFactor(true, homePlaces, serialPart))
            : compiles.Share;
        return 1 - part * (1 - 1 / Gain(compiles.Seconds, homePlaces, helperPlaces));
    }
}
