using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Playing;
using NixBuildFarm.Simulation;

namespace NixBuildFarm.Bench;

/// <summary>What is known of durations when a run begins.</summary>
internal static class Knowledge
{
    /// <summary>How far a source of one table is off, as the estimates say it.</summary>
    private const double SpreadOfTable = 0.6;

    public delegate RunEstimates Source(Truth truth, IReadOnlyList<FarmBuilder> farm);

    /// <summary>All of it.</summary>
    public static RunEstimates Exact(Truth truth, IReadOnlyList<FarmBuilder> farm) =>
        SimulatedEstimates.Make(EstimateKind.Exact, truth.Graph, farm, truth.Durations);

    /// <summary>A figure for each package, wrong by a lognormal factor of this deviation.</summary>
    public static Source WrongBy(double error) => (truth, farm) =>
    {
        var factors = new PackageFactors(truth.Seed + 1000, error);
        var guesses = new Dictionary<Job, Estimate>(ReferenceEqualityComparer.Instance);
        for (var index = 0; index < truth.Graph.Count; index++)
        {
            var job = truth.Graph[index];
            guesses[job] = PackagePriors.For(job) with { Seconds = truth.Durations.Seconds[index] * factors.Of(job), Spread = error };
        }
        return new RunEstimates(truth.Graph, farm, new Estimator(job => guesses[job]));
    };

    /// <summary>A table of the other source, and what names and attributes tell of the packages that it lacks.</summary>
    public static RunEstimates Table(Truth truth, IReadOnlyList<FarmBuilder> farm) =>
        new(truth.Graph, farm, new Estimator(job => FromTable(truth, job)));

    /// <summary>Names and attributes.</summary>
    public static RunEstimates Names(Truth truth, IReadOnlyList<FarmBuilder> farm) =>
        new(truth.Graph, farm, new Estimator(job => PackagePriors.For(job, _ => null)));

    /// <summary>Attributes.</summary>
    public static RunEstimates Nothing(Truth truth, IReadOnlyList<FarmBuilder> farm) =>
        new(truth.Graph, farm, new Estimator(PackagePriors.WithoutNames));

    /// <summary>Builds that were done before, and the table for the others.</summary>
    /// <param name="part">Of the packages.</param>
    /// <param name="each">How often each of these was built.</param>
    /// <param name="drift">The package has changed since then: deviation of the logarithm.</param>
    /// <param name="noise">Each build is another.</param>
    /// <param name="source">Who tells of them.</param>
    public static Source Seen(double part, int each, double drift, double noise, EstimateSource source) => (truth, farm) =>
    {
        var random = new Random(truth.Seed + 2000);
        var (drifts, known) = (new PackageFactors(truth.Seed + 3000, drift), new Dictionary<string, bool>());
        var estimator = new Estimator(job => FromTable(truth, job));
        foreach (var index in truth.Graph.TopologicalOrder)
        {
            var job = truth.Graph[index];
            if (job.IsFixedOutput || job.IsBuiltin) continue;
            var package = PackagePriors.KeyOf(job);
            if (!known.TryGetValue(package, out var isKnown)) known.Add(package, isKnown = random.NextDouble() < part);
            if (!isKnown) continue;
            var verdicts = Eligibility.OnFarm(job, farm);
            FarmBuilder[] able = [.. farm.Where((_, index) => verdicts[index].IsEligible)];
            for (var n = 0; n < each && able.Length > 0; n++)
            {
                var builder = able[random.Next(able.Length)];
                var speed = builder.SpeedOf(job.System);
                var build = new BuildObservation
                {
                    Package = package,
                    System = job.System,
                    Builder = builder.Name,
                    SpeedFactor = speed,
                    EnableParallelBuilding = job.EnableParallelBuilding,
                    OutputBytes = truth.Durations.OutputBytes[index],
                    Seconds = truth.Durations.Seconds[index] / speed * drifts.Of(job)
                        * Math.Exp(noise * NormalDistribution.Draw(random)),
                    Source = source,
                };
                estimator.Observe(build, job);
            }
        }
        return new RunEstimates(truth.Graph, farm, estimator);
    };

    private static Estimate FromTable(Truth truth, Job job) =>
        PackagePriors.For(job, key => truth.OtherSource.Find(key) is [var seconds] ? (seconds, SpreadOfTable) : null);
}
