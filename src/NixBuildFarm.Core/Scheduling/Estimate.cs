using System.Runtime.InteropServices;
using NixBuildFarm.Scheduling.Lending;

namespace NixBuildFarm.Scheduling;

/// <summary>What is believed of a job before it has run.</summary>
/// <param name="Seconds">Median duration at speed 1.0 on <see cref="ReferenceCores"/> cores.</param>
/// <param name="Spread">
/// Standard deviation of the duration's natural logarithm, beside what is <see cref="CommonSpread">common</see> to all: 0 for certain, 0.4
/// for a good guess, 1.8 for none. It says how far the job may be off others, so jobs and builders are weighed by it.
/// </param>
/// <param name="OutputBytes">Size of all its outputs.</param>
[StructLayout(LayoutKind.Auto)]
public readonly record struct Estimate(double Seconds, double Spread, long OutputBytes)
{
    /// <summary>
    /// The same of the factor by which all guesses are wrong together, such as a machine's that is slower than the reference. It makes
    /// the run longer or shorter, and no job or builder better than another: placement, order and hedging leave it out.
    /// </summary>
    public double CommonSpread { get; init; }

    /// <summary>How far the duration may be off in all.</summary>
    public double WholeSpread => Math.Sqrt(Spread * Spread + CommonSpread * CommonSpread);

    /// <summary>Where <see cref="Seconds"/> come from.</summary>
    public EstimateSource Source { get; init; }

    /// <summary>
    /// Whether <see cref="Seconds"/> is a guess: no build of this package is known, here or in the table of packages, only its kind.
    /// </summary>
    public bool IsGuess => Source == EstimateSource.Guess;

    /// <summary>How <see cref="Seconds"/> were guessed before anything was seen.</summary>
    internal GuessKind Kind { get; init; }

    /// <summary>What of it other builders can do; by default nothing.</summary>
    public CompileEstimate Compiles { get; init; }

    /// <summary>The most memory that the build has at a time, in bytes, its median; 0: so little that it does not count.</summary>
    public long Memory { get; init; }

    /// <summary>Standard deviation of the natural logarithm of <see cref="Memory"/>.</summary>
    public double MemorySpread { get; init; }

    /// <summary>The memory to keep for the build, in bytes: five builds of six take no more.</summary>
    public long MemoryNeed => (long)Math.Min(MostMemory, Memory * Math.Exp(MemorySpread));

    /// <summary>No machine has more, in bytes: what a builder tells of a build may be nonsense.</summary>
    internal const double MostMemory = 1e15;

    /// <summary>
    /// The part of a parallel build's work that only one core does, however many there are, from 0 to 1; by default
    /// <see cref="TypicalSerialPart"/>.
    /// </summary>
    public double SerialPart { get => TypicalSerialPart + beyondTypical; init => beyondTypical = value - TypicalSerialPart; }

    // So that an estimate that says nothing of it has the typical one.
    private readonly double beyondTypical;

    /// <summary>The cores that <see cref="Seconds"/> speaks of.</summary>
    public const int ReferenceCores = 4;

    /// <summary>The <see cref="SerialPart"/> of a build of which nothing is known.</summary>
    public const double TypicalSerialPart = 0.05;

    /// <summary>The same estimate with the duration of another one.</summary>
    internal Estimate WithDurationOf(Estimate other) =>
        this with { Seconds = other.Seconds, Spread = other.Spread, CommonSpread = other.CommonSpread };

    /// <summary>How the duration of this build changes with cores: by Amdahl's law where it builds in parallel, else not.</summary>
    public double FactorOf(bool parallel, int cores) => CoreFactor(parallel, cores, SerialPart);

    /// <summary>How the duration of a build with a serial part changes with cores.</summary>
    public static double CoreFactor(bool parallel, int cores, double serialPart = TypicalSerialPart) =>
        parallel ? (serialPart + (1 - serialPart) / cores) / (serialPart + (1 - serialPart) / ReferenceCores) : 1;

    /// <summary>
    /// The mean duration at speed 1.0 on <see cref="ReferenceCores"/> cores, where guesses are right in common. It is above the median, the
    /// more the less is known: where a job may turn out to be long, a faster builder is worth more than half of all cases show.
    /// </summary>
    public double MeanSeconds => Seconds * Math.Exp(Spread * Spread / 2);

    /// <summary>
    /// The duration to expect of a job that has run for <paramref name="elapsed"/> reference seconds and has not ended: the median of the
    /// lognormal distribution above that point. A job far over its estimate is expected to need longer still, not to end at once.
    /// </summary>
    public double ExpectedSeconds(double elapsed)
    {
        if (elapsed <= 0 || Seconds <= 0) return Math.Max(Seconds, elapsed);
        if (Spread < 0.01) return Math.Max(Seconds, elapsed * 1.01);
        var z = Math.Log(elapsed / Seconds) / Spread;
        // Half of what lies above z lies above this. Far out the tail falls like exp(−z²/2), which gives z + ln 2 ÷ z.
        var middle = z > 3 ? z + 0.693 / z : UpperQuantile(UpperTail(z) / 2);
        return Math.Max(elapsed * 1.01, Seconds * Math.Exp(Spread * middle));
    }

    /// <summary>Probability that a standard normal variable exceeds z (Abramowitz and Stegun 7.1.26, error below 2e-7).</summary>
    private static double UpperTail(double z)
    {
        var x = Math.Abs(z) / Math.Sqrt(2);
        var t = 1 / (1 + 0.3275911 * x);
        var tail = 0.5 * t * (
            0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)))) * Math.Exp(-x * x);
        return z >= 0 ? tail : 1 - tail;
    }

    /// <summary>What a standard normal variable exceeds with a probability of at most one half (26.2.23 there, error below 5e-4).</summary>
    private static double UpperQuantile(double probability)
    {
        var t = Math.Sqrt(-2 * Math.Log(probability));
        return t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
    }
}
