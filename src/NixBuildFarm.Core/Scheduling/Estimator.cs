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
    /// <param name="build">The build.</param>
    /// <param name="job">The job that was built, or one of the same package.</param>
    /// <returns>Whether anything was learnt from it.</returns>
    bool Observe(BuildObservation build, Job job);

    /// <summary>Takes in builds of earlier runs.</summary>
    /// <param name="builds">The builds, oldest first.</param>
    /// <param name="jobs">Jobs; builds of packages that none of them is of are left out.</param>
    void Know(IEnumerable<BuildObservation> builds, IEnumerable<Job> jobs);

    /// <summary>After what part of its time a job comes to a phase; null: nobody knows.</summary>
    PhaseBeginning? BeginningOf(Job job, TellingPhase phase);

    /// <summary>The jobs that may all be wrong by the same factor as this one.</summary>
    JobKind KindOf(Job job);

    /// <summary>
    /// What is believed of that factor, as a logarithm, and how much is known of it, as a deviation: what changes for all jobs of the kind
    /// of which nothing was seen.
    /// </summary>
    (double Log, double Spread) FactorOf(JobKind kind);
}

/// <summary>
/// Estimates from a guess (<see cref="PackagePriors"/>), what all guesses have in common (<see cref="CommonFactors"/>), and what was seen
/// of the package. Medians, so that one odd build does no harm; a spread that says how much they are worth; and for each builder and
/// system a speed that is learnt, so that emulation shows up as what it costs. Memory and the use of cores are learnt likewise.
/// </summary>
internal sealed class Estimator : IEstimator
{
    /// <summary>How many builds of a package and system are remembered: what is older speaks of other versions and machines.</summary>
    private const int MaxSamples = 15;

    /// <summary>
    /// Builds of one package differ (bootstrap stages, versions, options): one of them tells so little of a builder's speed.
    /// </summary>
    private const double VariantSpread = 0.3;

    /// <summary>What another platform shows is worth less.</summary>
    private const double OtherSystemSpread = 0.25;

    /// <summary>So many seconds more or less are disks and starts: a short build tells little of speed.</summary>
    private const double UntellingSeconds = 1.5;

    /// <summary>Longer builds are a mistake of a clock: 100 days. Shorter ones count as so short.</summary>
    private const double MostSeconds = 8.64e6, LeastSeconds = 0.001;

    /// <summary>The end of a build that was seen and told of: so far apart at most.</summary>
    private static readonly TimeSpan SameEnd = TimeSpan.FromSeconds(3);

    private readonly Func<Job, Estimate> prior;
    private readonly Dictionary<Job, (string Package, Estimate Guess)> guesses = new(ReferenceEqualityComparer.Instance);
    private readonly CommonFactors factors = new();
    private readonly Dictionary<(string Package, string System), Samples> samples = [];
    private readonly Dictionary<string, List<string>> systemsOf = [];
    private readonly Dictionary<string, LearntCompiles> compiles = [];
    private readonly Dictionary<string, LearntMemory> memory = [];
    private readonly Dictionary<string, LearntCores> cores = [];
    private readonly Dictionary<string, LearntPhases> phases = [];

    /// <summary>Starts from nothing but the table of packages.</summary>
    public Estimator()
        : this(PackagePriors.For)
    {
    }

    /// <summary>Starts from guesses of another origin.</summary>
    public Estimator(Func<Job, Estimate> prior) => this.prior = prior;

    /// <summary>Starts from the table of packages and from what earlier runs have taught of the packages of this graph.</summary>
    /// <param name="history">What earlier runs have taught.</param>
    /// <param name="graph">The jobs.</param>
    /// <param name="told">What others tell of builds, whether it is in the history or not.</param>
    public static Estimator FromHistory(IBuildHistory history, JobGraph graph, IReadOnlyCollection<BuildObservation>? told = null)
    {
        var estimator = new Estimator();
        var jobs = Enumerable.Range(0, graph.Count).Select(job => graph[job]).ToArray();
        var builds = history.Builds(PackagePriors.NamesOf(jobs));
        if (told is { Count: > 0 })
        {
            var known = builds.Where(build => build.Origin is not null).Select(KeyOf).ToHashSet();
            var own = builds.Where(build => build.Source == EstimateSource.Run).ToLookup(build => build.Package);
            // What was seen here is told of as well: the two ends are seconds apart.
            var others = told.Where(
                build => !known.Contains(KeyOf(build)) && !own[build.Package].Any(seen => (seen.At - build.At).Duration() < SameEnd));
            builds = [.. others.Concat(builds).OrderBy(build => build.At)];
        }
        estimator.Know(builds, jobs);
        return estimator;
    }

    /// <inheritdoc/>
    public void Know(IEnumerable<BuildObservation> builds, IEnumerable<Job> jobs)
    {
        var (exact, any) = (new Dictionary<(string, string), Job>(), new Dictionary<string, Job>());
        Job[] built = [.. jobs.Where(job => !job.IsFixedOutput && !job.IsBuiltin)];
        // A package that is called so itself goes before one whose derivation is.
        foreach (var job in built) Add(PackagePriors.KeyOf(job), job);
        foreach (var job in built) Add(PackagePriors.NameOf(job.Name), job);
        foreach (var build in builds)
        {
            if (exact.GetValueOrDefault((build.Package, build.System)) is { } same) Observe(build, same);
            else if (any.GetValueOrDefault(build.Package) is { } like) Observe(build, like);
        }

        void Add(string name, Job job)
        {
            exact.TryAdd((name, job.System), job);
            any.TryAdd(name, job);
        }
    }

    /// <inheritdoc/>
    public Estimate For(Job job)
    {
        var (package, guess) = GuessOf(job);
        // The name of a download says nothing of its size; they are all small.
        if (job.IsFixedOutput || job.IsBuiltin) return guess;
        var estimate = Expect(package, job.System, guess).Estimate;
        if (compiles.TryGetValue(package, out var itsCompiles)) estimate = estimate with { Compiles = itsCompiles.Summary };
        if (cores.TryGetValue(package, out var itsCores)) estimate = estimate with { SerialPart = itsCores.SerialPart };
        return memory.TryGetValue(package, out var itsMemory) ? itsMemory.Improve(estimate, job.System) : estimate;
    }

    /// <inheritdoc/>
    public PhaseBeginning? BeginningOf(Job job, TellingPhase phase) =>
        phases.TryGetValue(GuessOf(job).Package, out var its) ? its.Of(phase) : null;

    /// <inheritdoc/>
    public JobKind KindOf(Job job) => new(GuessOf(job).Guess.Kind, job.System);

    /// <inheritdoc/>
    public (double Log, double Spread) FactorOf(JobKind kind) =>
        kind.Guess == GuessKind.None ? (0, 0) : (factors.LogOf(kind), Math.Sqrt(factors.VarianceOf(kind)));

    /// <inheritdoc/>
    public double SpeedOf(FarmBuilder builder, string system) =>
        builder.SpeedOf(system) * Math.Exp(factors.LogSpeedOf(builder.Name, system));

    /// <inheritdoc/>
    public bool Observe(BuildObservation build, Job job)
    {
        build = build with { Package = GuessOf(job).Package };
        if (build.PeakMemory is > 0 and var peak) Of(memory, build.Package).Add(build.System, peak, build.WasKilled);
        if (build.WasKilled) return build.PeakMemory > 0;
        if (!(build.Seconds > 0 && build.SpeedFactor > 0 && double.IsFinite(build.Seconds * build.SpeedFactor))) return false;
        if (build is not { CheckAt: null, InstallAt: null }) Of(phases, build.Package).Add(build);
        if (LearntCores.Of(build) is { } part) Of(cores, build.Package).Add(part);
        var serialPart = cores.TryGetValue(build.Package, out var known) ? known.SerialPart : Estimate.TypicalSerialPart;
        // What it would have taken alone: help is another matter, and another each time.
        var alone = build.Seconds + Math.Max(0, build.Compiles?.SavedSeconds ?? 0);
        var configured = Math.Clamp(
            alone * build.SpeedFactor / Estimate.CoreFactor(build.EnableParallelBuilding, Math.Max(1, build.Cores), serialPart),
            LeastSeconds,
            MostSeconds);
        LearnFactors(build, job, configured);
        if (!samples.TryGetValue((build.Package, build.System), out var of))
        {
            samples.Add((build.Package, build.System), of = new Samples());
            if (!systemsOf.TryGetValue(build.Package, out var list)) systemsOf.Add(build.Package, list = []);
            list.Add(build.System);
        }
        of.Add(new(
            build.Builder, configured * Math.Exp(factors.LogSpeedOf(build.Builder, build.System)), build.OutputBytes, build.Source));
        if (build.Compiles is not { } seen) return true;
        Of(compiles, build.Package).Add(LearntCompiles.Of(seen, configured, build.SpeedFactor));
        return true;
    }

    private static (EstimateSource, string, string, string?) KeyOf(BuildObservation build) =>
        (build.Source, build.Builder, build.Package, build.Origin);

    private static T Of<T>(Dictionary<string, T> learnt, string package)
        where T : new()
    {
        if (!learnt.TryGetValue(package, out var its)) learnt.Add(package, its = new());
        return its;
    }

    private (string Package, Estimate Guess) GuessOf(Job job)
    {
        if (!guesses.TryGetValue(job, out var known)) guesses.Add(job, known = (PackagePriors.KeyOf(job), prior(job)));
        return known;
    }

    /// <summary>What a build teaches of other packages and of its builder.</summary>
    private void LearnFactors(BuildObservation build, Job job, double configured)
    {
        var guess = GuessOf(job).Guess;
        if (guess.Kind == GuessKind.None) return;
        var (expected, weight) = Expected();
        if (weight is not { } part) return;
        var seconds = Math.Max(LeastSeconds, expected.Seconds);
        var untelling = UntellingSeconds / seconds;
        var hearsay = SeenDuration.OffBy(build.Source);
        var own = part * factors.VarianceOfGuess(guess.Kind, guess.Spread) + (1 - part) * expected.Spread * expected.Spread;
        factors.Learn(
            new(guess.Kind, build.System),
            build.Builder,
            new(
                Math.Log(configured / seconds) + factors.LogSpeedOf(build.Builder, build.System),
                own + VariantSpread * VariantSpread + untelling * untelling + hearsay * hearsay,
                part,
                build.Source == EstimateSource.Run));

        (Estimate Estimate, double? WeightOfGuess) Expected()
        {
            if (!samples.TryGetValue((build.Package, build.System), out var same)) return Expect(build.Package, build.System, guess);
            // What others have shown tells of this builder alone. What it has shown itself would only confirm it.
            return same.Summary(except: build.Builder) is { } seen
                ? (guess with { Seconds = seen.Seconds, Spread = seen.Spread }, 0)
                : (guess, null);
        }
    }

    /// <summary>The duration to expect, and what part of it is a guess.</summary>
    private (Estimate Estimate, double WeightOfGuess) Expect(string package, string system, Estimate guess)
    {
        if (guess.Seconds > 0 && guess.Kind != GuessKind.None)
        {
            var kind = new JobKind(guess.Kind, system);
            guess = guess with
            {
                Seconds = guess.Seconds * Math.Exp(factors.LogOf(kind)),
                Spread = Math.Sqrt(factors.VarianceOfGuess(guess.Kind, guess.Spread)),
                CommonSpread = Math.Sqrt(factors.VarianceOf(kind)),
            };
        }
        return Seen(package, system) is { } seen ? seen.Improve(guess) : (guess, 1);
    }

    private SeenDuration? Seen(string package, string system)
    {
        if (samples.TryGetValue((package, system), out var same) && same.Summary(except: null) is { } exact) return exact;
        if (!systemsOf.TryGetValue(package, out var others)) return null;
        SeenDuration? best = null;
        foreach (var other in others)
        {
            if (other == system || samples[(package, other)].Summary(except: null) is not { } seen) continue;
            if (!(best?.Spread <= seen.Spread)) best = seen;
        }
        return best is { } guide
            ? guide with { Spread = guide.Spread + OtherSystemSpread, Error = guide.Error + OtherSystemSpread }
            : null;
    }

    /// <summary>The last builds of one package and system, in reference seconds.</summary>
    private sealed class Samples
    {
        private readonly List<Sample> last = [];
        private SeenDuration? ofAll;

        public void Add(Sample sample)
        {
            last.Add(sample);
            // What others tell of does not take the place of what was seen.
            if (last.Count > MaxSamples) last.Remove(last.MaxBy(kept => SeenDuration.OffBy(kept.Source)));
            ofAll = null;
        }

        public SeenDuration? Summary(string? except) => except is null
            ? ofAll ??= SeenDuration.Of([.. last])
            : SeenDuration.Of([.. last.Where(sample => sample.Builder != except)]);
    }
}
