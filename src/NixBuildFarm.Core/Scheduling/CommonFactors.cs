using System.Runtime.InteropServices;

namespace NixBuildFarm.Scheduling;

/// <summary>
/// What guesses have in common that are wrong: log duration = guess + factor of all + factor of the kind + factor of the system + slowness
/// of the builder + what is left for the package. Each part is believed with a mean and a variance, and one observation moves all of them
/// at once, each by its share of the doubt (a Kalman filter that keeps the parts apart). So ten builds that took three times as long as
/// thought change what is believed of thousands. A builder is compared with others by packages that both have built: by guesses alone, in
/// simulations whose builders are as fast as configured, speeds were learnt that are not there, and makespans grew by up to a tenth.
/// </summary>
internal sealed class CommonFactors
{
    /// <summary>
    /// How far the parts may be off before anything was seen, as deviations of the logarithm. A machine may be half or twice as fast as
    /// the reference; a configured speed is believed to be right within a half.
    /// </summary>
    private const double OfAll = 0.6, OfKind = 0.3, OfSystem = 0.3, OfBuilder = 0.4;

    /// <summary>Machines and packages change: never so sure that nothing can be learnt any more.</summary>
    private const double LeastDeviation = 0.03;

    /// <summary>An observation further off than so many deviations counts as if it were so far.</summary>
    private const double MostDeviations = 3;

    private readonly Belief all = new(OfAll);
    private readonly Dictionary<GuessKind, Belief> kinds = [];
    private readonly Dictionary<string, Belief> systems = [];
    private readonly Dictionary<(string Builder, string System), Belief> builders = [];
    private readonly Dictionary<string, string> firstBuilders = [];
    private readonly HashSet<string> comparable = [];

    /// <summary>By what the guesses for jobs of a kind are to be multiplied, as a logarithm.</summary>
    public double LogOf(JobKind kind) => all.Mean + Of(kinds, kind.Guess).Mean + Of(systems, kind.System).Mean;

    /// <summary>How much is known of <see cref="LogOf"/>, as a variance.</summary>
    public double VarianceOf(JobKind kind) => all.Variance + Of(kinds, kind.Guess).Variance + Of(systems, kind.System).Variance;

    /// <summary>How much faster a builder is than configured, as a logarithm.</summary>
    public double LogSpeedOf(string builder, string system) =>
        builders.TryGetValue((builder, system), out var slowness) ? -slowness.Mean : 0;

    /// <summary>
    /// What a build is off by, before the factors, as a variance. Guesses may be better or worse than they are said to be, and that is
    /// learnt as well.
    /// </summary>
    /// <param name="guess">How it is guessed.</param>
    /// <param name="spread">What is said of such guesses, as a deviation.</param>
    public double VarianceOfGuess(GuessKind guess, double spread) => spread * spread * (kinds.TryGetValue(guess, out var of) ? of.Fit : 1);

    /// <summary>Learns from a build.</summary>
    /// <param name="kind">How its job was guessed.</param>
    /// <param name="builder">Where it was built.</param>
    /// <param name="seen">What it has shown.</param>
    public void Learn(JobKind kind, string builder, Surprise seen)
    {
        var (all, ofKind, ofSystem) = (this.all, Of(kinds, kind.Guess), Of(systems, kind.System));
        // What a builder that is alone takes longer, the guesses are too low by: there is nothing to compare it with.
        if (!firstBuilders.TryAdd(kind.System, builder) && firstBuilders[kind.System] != builder) comparable.Add(kind.System);
        var weight = seen.WeightOfGuess;
        var slowness = weight < 1 && comparable.Contains(kind.System) ? OfBuilderAt(builder, kind.System) : null;
        var variance = weight * weight * VarianceOf(kind) + (slowness?.Variance ?? 0) + seen.Variance;
        var limit = MostDeviations * Math.Sqrt(variance);
        var log = Math.Clamp(seen.Log, -limit, limit);
        if (weight >= 1 && seen.IsOwn) ofKind.Score(log * log / variance);
        all.Move(weight, log, variance);
        ofKind.Move(weight, log, variance);
        ofSystem.Move(weight, log, variance);
        slowness?.Move(1, log, variance);
    }

    private Belief OfBuilderAt(string builder, string system)
    {
        if (!builders.TryGetValue((builder, system), out var belief)) builders.Add((builder, system), belief = new(OfBuilder));
        return belief;
    }

    private static Belief Of(Dictionary<GuessKind, Belief> parts, GuessKind kind)
    {
        if (!parts.TryGetValue(kind, out var part)) parts.Add(kind, part = new(OfKind));
        return part;
    }

    private static Belief Of(Dictionary<string, Belief> parts, string system)
    {
        if (!parts.TryGetValue(system, out var part)) parts.Add(system, part = new(OfSystem));
        return part;
    }

    /// <summary>How much longer a build took than was expected.</summary>
    /// <param name="Log">The logarithm of seen ÷ expected duration.</param>
    /// <param name="Variance">How far the two may be apart though all factors are right.</param>
    /// <param name="WeightOfGuess">What part of what was expected came from a guess, from 0 to 1; the rest was seen elsewhere.</param>
    /// <param name="IsOwn">Whether a run has seen it. What others tell of says nothing of how good guesses are.</param>
    [StructLayout(LayoutKind.Auto)]
    public readonly record struct Surprise(double Log, double Variance, double WeightOfGuess, bool IsOwn);

    private sealed class Belief(double deviation)
    {
        /// <summary>What is said of guesses counts as much as so many builds.</summary>
        private const double PriorBuilds = 10;

        private const double LeastFit = 0.25, MostFit = 4;

        private double scores = PriorBuilds, builds = PriorBuilds;

        public double Mean { get; private set; }

        public double Variance { get; private set; } = deviation * deviation;

        /// <summary>How much larger the variance of guesses is than said, within bounds that odd builds do not pass.</summary>
        public double Fit => Math.Clamp(scores / builds, LeastFit, MostFit);

        /// <summary>Takes in a squared error, in parts of the variance that was expected.</summary>
        public void Score(double squared) => (scores, builds) = (scores + squared * Fit, builds + 1);

        public void Move(double weight, double surprise, double variance)
        {
            var gain = weight * Variance / variance;
            Mean += gain * surprise;
            Variance = Math.Max(LeastDeviation * LeastDeviation, (1 - weight * gain) * Variance);
        }
    }
}
