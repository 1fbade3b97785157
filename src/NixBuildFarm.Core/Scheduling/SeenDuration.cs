using System.Runtime.InteropServices;

namespace NixBuildFarm.Scheduling;

/// <summary>One build of a package.</summary>
/// <param name="Builder">Where.</param>
/// <param name="Seconds">How long it took, at speed 1.0.</param>
/// <param name="OutputBytes">The size of its outputs; 0: not known.</param>
/// <param name="Source">Who says so.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct Sample(string Builder, double Seconds, long OutputBytes, EstimateSource Source);

/// <summary>What builds of a package have shown together.</summary>
/// <param name="Seconds">Their median, at speed 1.0.</param>
/// <param name="Spread">How far the next one may be off, as a deviation of the logarithm.</param>
/// <param name="Error">How far <paramref name="Seconds"/> may be off from what such builds have in the long run.</param>
/// <param name="OutputBytes">The size of outputs as last seen; 0: not known.</param>
/// <param name="Source">Who says so.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct SeenDuration(double Seconds, double Spread, double Error, long OutputBytes, EstimateSource Source)
{
    /// <summary>Sums builds up; null where there are none.</summary>
    /// <param name="samples">The builds, oldest first.</param>
    public static SeenDuration? Of(IReadOnlyCollection<Sample> samples)
    {
        if (samples.Count == 0) return null;
        // What others have told is a guide where nothing was seen, and no more.
        var best = samples.Min(sample => OffBy(sample.Source));
        Sample[] chosen = [.. samples.Where(sample => OffBy(sample.Source) <= best)];
        var (seconds, spread) = SampleSummary.Of(chosen.Select(sample => sample.Seconds));
        return new(
            seconds,
            spread + best,
            spread / Math.Sqrt(chosen.Length) + best,
            samples.LastOrDefault(sample => sample.OutputBytes > 0).OutputBytes,
            chosen[^1].Source);
    }

    /// <summary>
    /// The duration to expect, between a guess and this, by what each is worth. No further from this than its own error (the estimator of
    /// limited translation, Efron and Morris 1971): a guess may be wrong by any factor.
    /// </summary>
    /// <returns>The estimate, and the part of it that is the guess.</returns>
    public (Estimate Estimate, double WeightOfGuess) Improve(Estimate guess)
    {
        var (seen, guessed) = (Error * Error, guess.WholeSpread * guess.WholeSpread);
        var weight = seen / (seen + guessed);
        var shift = guess.Seconds > 0 ? Math.Clamp(weight * Math.Log(guess.Seconds / Seconds), -Error, Error) : 0;
        var estimate = guess with
        {
            Seconds = Seconds * Math.Exp(shift),
            Spread = Spread,
            CommonSpread = weight * guess.CommonSpread,
            OutputBytes = OutputBytes > 0 ? OutputBytes : guess.OutputBytes,
            Source = Source,
        };
        return (estimate, weight);
    }

    /// <summary>
    /// How far what a source tells may be off, as a deviation. The machines of others may have other names. A build log does not say how
    /// many cores its build had. The reports of nix-output-monitor do not either, and count what a build waited.
    /// </summary>
    public static double OffBy(EstimateSource source) => source switch
    {
        EstimateSource.OtherHistory => 0.1,
        EstimateSource.NixLog => 0.15,
        EstimateSource.NixOutputMonitor => 0.3,
        _ => 0,
    };
}
