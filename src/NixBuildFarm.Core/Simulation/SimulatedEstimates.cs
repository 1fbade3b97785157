using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Playing;

namespace NixBuildFarm.Simulation;

/// <summary>The scheduler's initial estimates in a simulation.</summary>
public enum EstimateKind
{
    /// <summary>The true durations.</summary>
    Exact,

    /// <summary>A table of packages: the file's own column if it has one, else <see cref="PackagePriors"/>.</summary>
    Table,

    /// <summary>Our own table, <see cref="PackagePriors"/>, as in a first run.</summary>
    Priors,

    /// <summary>Nothing: no table, no names; a download is known as one.</summary>
    None,
}

/// <summary>Makes the estimates of a simulation.</summary>
internal static class SimulatedEstimates
{
    /// <summary>
    /// How far a table of packages is off, as a deviation of the logarithm: it has a figure for each job, so none is as vague as a guess
    /// from attributes.
    /// </summary>
    private const double TableSpread = 0.4;

    /// <summary>The estimates that a run begins with; all but exact ones improve as builds of the same package end.</summary>
    /// <param name="kind">The kind of estimates.</param>
    /// <param name="graph">The jobs.</param>
    /// <param name="farm">The builders.</param>
    /// <param name="truth">The true durations.</param>
    /// <param name="error">Each guess is wrong by a lognormal factor of this deviation; 0: not at all.</param>
    /// <param name="seed">Of these factors.</param>
    public static RunEstimates Make(
        EstimateKind kind, JobGraph graph, IReadOnlyList<FarmBuilder> farm, GraphDurations truth, double error = 0, int seed = 1)
    {
        var guesses = new Dictionary<Job, Estimate>(ReferenceEqualityComparer.Instance);
        var random = new Random(seed);
        for (var job = 0; job < graph.Count; job++)
        {
            var guess = kind switch
            {
                EstimateKind.Exact =>
                    new Estimate(truth.Seconds[job], 0, truth.OutputBytes[job]) { Compiles = truth.Compiles?[job] ?? default },
                EstimateKind.Table when truth.TableSeconds is { } table =>
                    PackagePriors.For(graph[job]) with { Seconds = table[job], Spread = TableSpread },
                EstimateKind.None => PackagePriors.WithoutNames(graph[job]),
                _ => PackagePriors.For(graph[job]),
            };
            var factor = Math.Exp(error * NormalDistribution.Draw(random));
            guesses[graph[job]] = guess with
            {
                Seconds = guess.Seconds * factor,
                Spread = Math.Sqrt(guess.Spread * guess.Spread + error * error),
            };
        }
        return new RunEstimates(graph, farm, kind == EstimateKind.Exact ? new Oracle(guesses) : new Estimator(job => guesses[job]));
    }

    /// <summary>Knows all and learns nothing.</summary>
    private sealed class Oracle(Dictionary<Job, Estimate> known) : IEstimator
    {
        public Estimate For(Job job) => known[job];

        public double SpeedOf(FarmBuilder builder, string system) => builder.SpeedOf(system);

        public bool Observe(BuildObservation build, Job job) => false;

        public void Know(IEnumerable<BuildObservation> builds, IEnumerable<Job> jobs)
        {
        }

        public PhaseBeginning? BeginningOf(Job job, TellingPhase phase) => null;

        public JobKind KindOf(Job job) => default;

        public (double Log, double Spread) FactorOf(JobKind kind) => default;
    }
}
