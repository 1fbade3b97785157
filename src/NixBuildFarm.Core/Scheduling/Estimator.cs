using NixBuildFarm.Scheduling.Lending;

namespace NixBuildFarm.Scheduling;

/// <summary>What is known before a job runs, and what is learnt when it has.</summary>
internal interface IEstimator
{
    /// <summary>What to expect of a job.</summary>
    Estimate For(Job job);

    /// <summary>How fast a builder is for a platform: as configured, corrected by what was seen. 0 where it does not build it.</summary>
    double SpeedOf(FarmBuilder builder, string system);

    /// <summary>Takes in a build that succeeded.</summary>
    /// <returns>Whether anything was learnt from it.</returns>
    bool Observe(BuildObservation build);
}

/// <summary>
/// Estimates from history: by package and system, then by package, then by <see cref="PackagePriors"/>. Medians, so that one odd build
/// does no harm; a spread that says how much they are worth; and for each builder and system a speed that is learnt from builds whose
/// duration was known from elsewhere, so that emulation shows up as what it costs.
/// </summary>
internal sealed class Estimator : IEstimator
{
    /// <summary>How many builds of a package and system are remembered: what is older speaks of other versions and machines.</summary>
    private const int MaxSamples = 15;

    /// <summary>Below this the spread of a few equal durations is not believed.</summary>
    private const double LeastSpread = 0.08;

    /// <summary>
    /// Builds of one package differ (bootstrap stages, versions, options): one of them tells so little of a builder's speed.
    /// </summary>
    private const double VariantSpread = 0.3;

    /// <summary>Shorter builds tell of disks and starts, not of speed.</summary>
    private const double LeastTellingSeconds = 5;

    /// <summary>An estimate vaguer than this teaches nothing of a builder's speed.</summary>
    private const double VagueSpread = 1;

    private readonly Func<Job, Estimate> prior;
    private readonly Dictionary<(string Package, string System), Samples> samples = [];
    private readonly Dictionary<string, List<string>> systemsOf = [];
    private readonly Dictionary<string, LearntCompiles> compiles = [];
    private readonly Dictionary<(string Builder, string System), LearntSpeed> speeds = [];

    /// <summary>Starts from nothing but the table of packages.</summary>
    public Estimator()
        : this(PackagePriors.For)
    {
    }

    /// <summary>Starts from guesses of another origin.</summary>
    public Estimator(Func<Job, Estimate> prior) => this.prior = prior;

    /// <summary>Starts from the table of packages and from what earlier runs have taught of the packages of this graph.</summary>
    public static Estimator FromHistory(IBuildHistory history, JobGraph graph)
    {
        var estimator = new Estimator();
        var packages = Enumerable.Range(0, graph.Count).Select(j => PackagePriors.KeyOf(graph[j])).ToHashSet();
        foreach (var build in history.Builds(packages)) estimator.Observe(build);
        return estimator;
    }

    /// <inheritdoc/>
    public Estimate For(Job job)
    {
        var guess = prior(job);
        // The name of a download says nothing of its size; they are all small.
        if (job.IsFixedOutput || job.IsBuiltin) return guess;
        var key = PackagePriors.KeyOf(job);
        var seen = Seen(key, job.System) ?? guess;
        return seen with { Compiles = compiles.TryGetValue(key, out var known) ? known.Summary : guess.Compiles };
    }

    /// <inheritdoc/>
    public double SpeedOf(FarmBuilder builder, string system)
    {
        var configured = builder.SpeedOf(system);
        return speeds.TryGetValue((builder.Name, system), out var learnt) ? configured * Math.Exp(learnt.LogCorrection) : configured;
    }

    /// <inheritdoc/>
    public bool Observe(BuildObservation build)
    {
        if (!(build.Seconds > 0) || build.SpeedFactor <= 0) return false;
        // What it would have taken alone: help is another matter, and another each time.
        var alone = build.Seconds + Math.Max(0, build.Compiles?.SavedSeconds ?? 0);
        var configured = alone * build.SpeedFactor / Estimate.CoreFactor(build.EnableParallelBuilding, Math.Max(1, build.Cores));
        var key = (build.Builder, build.System);
        if (!speeds.TryGetValue(key, out var speed)) speeds.Add(key, speed = new LearntSpeed());
        if (build.Seconds >= LeastTellingSeconds && SeenElsewhere(build) is { } known)
        {
            speed.Learn(Math.Log(known.Seconds / configured), known.Spread);
        }

        var sampleKey = (build.Package, build.System);
        if (!samples.TryGetValue(sampleKey, out var of))
        {
            samples.Add(sampleKey, of = new Samples());
            if (!systemsOf.TryGetValue(build.Package, out var list)) systemsOf.Add(build.Package, list = []);
            list.Add(build.System);
        }
        of.Add(build.Builder, configured * Math.Exp(speed.LogCorrection), build.OutputBytes);
        if (build.Compiles is not { } seen) return true;
        if (!compiles.TryGetValue(build.Package, out var learnt)) compiles.Add(build.Package, learnt = new LearntCompiles());
        learnt.Add(LearntCompiles.Of(seen, configured, build.SpeedFactor));
        return true;
    }

    /// <summary>
    /// What this package takes on this system by what other builders have shown. This one would only confirm itself, and another system has
    /// another compiler.
    /// </summary>
    private Estimate? SeenElsewhere(BuildObservation build) =>
        samples.TryGetValue((build.Package, build.System), out var same)
            && same.Summary(except: build.Builder) is { Spread: < VagueSpread } known
            ? known
            : null;

    private Estimate? Seen(string package, string system)
    {
        if (samples.TryGetValue((package, system), out var same) && same.Summary(except: null) is { } exact) return exact;
        if (!systemsOf.TryGetValue(package, out var others)) return null;
        Estimate? best = null;
        foreach (var other in others)
        {
            // Another platform, another compiler: worth something, not as much.
            if (samples[(package, other)].Summary(except: null) is { } seen && !(best?.Spread <= seen.Spread + 0.25))
            {
                best = seen with { Spread = seen.Spread + 0.25 };
            }
        }
        return best;
    }

    /// <summary>The last builds of one package and system, in reference seconds.</summary>
    private sealed class Samples
    {
        private readonly Queue<(string Builder, double Seconds, long Bytes)> last = new();

        public void Add(string builder, double seconds, long bytes)
        {
            last.Enqueue((builder, seconds, bytes));
            if (last.Count > MaxSamples) last.Dequeue();
        }

        public Estimate? Summary(string? except)
        {
            var chosen = last.Where(s => s.Builder != except).ToArray();
            if (chosen.Length == 0) return null;
            var logs = chosen.Select(s => Math.Log(s.Seconds)).ToArray();
            var middle = Median.Of(logs);
            // 1.48 makes the median of absolute deviations comparable with a standard deviation; few samples are trusted less.
            var spread = 1.48 * Median.Of(logs.Select(l => Math.Abs(l - middle)));
            return new Estimate(Math.Exp(middle), Math.Max(LeastSpread, spread) + 0.25 / chosen.Length, chosen[^1].Bytes);
        }
    }

    /// <summary>
    /// The logarithm of true ÷ configured speed, as a scalar Kalman filter: each observation weighs by how well its job was known, and one
    /// that is far off is cut.
    /// </summary>
    private sealed class LearntSpeed
    {
        /// <summary>A configured speed is believed to be right within a third.</summary>
        private double variance = 0.3 * 0.3;

        public double LogCorrection { get; private set; }

        public void Learn(double observed, double spread)
        {
            var noise = spread * spread + VariantSpread * VariantSpread;
            var limit = 3 * Math.Sqrt(variance + noise);
            var surprise = Math.Clamp(observed - LogCorrection, -limit, limit);
            var gain = variance / (variance + noise);
            LogCorrection += gain * surprise;
            // Machines change: never so sure that nothing can be learnt any more.
            variance = Math.Max(0.03 * 0.03, (1 - gain) * variance);
        }
    }
}
