using NixBuildFarm.Scheduling.Lending;

namespace NixBuildFarm.Scheduling;

/// <summary>What is known before a job runs, and what is learnt when it has.</summary>
internal interface IEstimator
{
    /// <summary>What to expect of a job.</summary>
    Estimate For(Job job);

    /// <summary>How fast a builder is for a platform: as configured, corrected by what was seen. 0 where it does not build it.</summary>
    double SpeedOf(FarmBuilder builder, string system);

    /// <summary>Takes in a build that succeeded, or was killed for its memory.</summary>
    /// <returns>Whether anything was learnt from it.</returns>
    bool Observe(BuildObservation build);
}

/// <summary>
/// Estimates from history: by package and system, then by package, then by <see cref="PackagePriors"/>. Medians, so that one odd build
/// does no harm; a spread that says how much they are worth; and for each builder and system a speed that is learnt from builds whose
/// duration was known from elsewhere, so that emulation shows up as what it costs. Memory and the use of cores are learnt likewise.
/// </summary>
internal sealed class Estimator : IEstimator
{
    /// <summary>How many builds of a package and system are remembered: what is older speaks of other versions and machines.</summary>
    private const int MaxSamples = 15;

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
    private readonly Dictionary<string, LearntMemory> memory = [];
    private readonly Dictionary<string, LearntCores> cores = [];
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
        var estimate = guess;
        if (Seen(key, job.System) is { } seen)
        {
            estimate = guess with { Seconds = seen.Seconds, Spread = seen.Spread, OutputBytes = seen.OutputBytes };
        }
        if (compiles.TryGetValue(key, out var itsCompiles)) estimate = estimate with { Compiles = itsCompiles.Summary };
        if (cores.TryGetValue(key, out var itsCores)) estimate = estimate with { SerialPart = itsCores.SerialPart };
        return memory.TryGetValue(key, out var itsMemory) ? itsMemory.Improve(estimate, job.System) : estimate;
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
        if (build.PeakMemory is > 0 and var peak) Of(memory, build.Package).Add(build.System, peak, build.WasKilled);
        if (build.WasKilled) return build.PeakMemory > 0;
        if (!(build.Seconds > 0) || build.SpeedFactor <= 0) return false;
        if (LearntCores.Of(build) is { } part) Of(cores, build.Package).Add(part);
        var serialPart = cores.TryGetValue(build.Package, out var known) ? known.SerialPart : Estimate.TypicalSerialPart;
        // What it would have taken alone: help is another matter, and another each time.
        var alone = build.Seconds + Math.Max(0, build.Compiles?.SavedSeconds ?? 0);
        var configured =
            alone * build.SpeedFactor / Estimate.CoreFactor(build.EnableParallelBuilding, Math.Max(1, build.Cores), serialPart);
        var key = (build.Builder, build.System);
        if (!speeds.TryGetValue(key, out var speed)) speeds.Add(key, speed = new LearntSpeed());
        if (build.Seconds >= LeastTellingSeconds && SeenElsewhere(build) is { } elsewhere)
        {
            speed.Learn(Math.Log(elsewhere.Seconds / configured), elsewhere.Spread);
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
        Of(compiles, build.Package).Add(LearntCompiles.Of(seen, configured, build.SpeedFactor));
        return true;
    }

    private static T Of<T>(Dictionary<string, T> learnt, string package)
        where T : new()
    {
        if (!learnt.TryGetValue(package, out var its)) learnt.Add(package, its = new());
        return its;
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
            var (seconds, spread) = SampleSummary.Of(chosen.Select(sample => sample.Seconds));
            return new Estimate(seconds, spread, chosen[^1].Bytes);
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
