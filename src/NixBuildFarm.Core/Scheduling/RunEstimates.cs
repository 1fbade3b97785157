namespace NixBuildFarm.Scheduling;

/// <summary>
/// Binds an estimator to one graph: the first estimates, and after each build the events that tell the scheduler what is now known better.
/// </summary>
public sealed class RunEstimates
{
    /// <summary>Changes below this (in parts of the value) do not matter.</summary>
    private const double Worth = 0.05;

    private readonly JobGraph graph;
    private readonly IEstimator estimator;
    private readonly Estimate[] current;
    private readonly Dictionary<string, List<int>> jobsOf = [];

    /// <summary>Asks for all estimates once.</summary>
    public RunEstimates(JobGraph graph, IEstimator estimator)
    {
        (this.graph, this.estimator) = (graph, estimator);
        current = new Estimate[graph.Count];
        for (var job = 0; job < graph.Count; job++)
        {
            current[job] = estimator.For(graph[job]);
            if (graph[job].IsFixedOutput || graph[job].IsBuiltin) continue;
            var key = PackagePriors.KeyOf(graph[job]);
            if (!jobsOf.TryGetValue(key, out var jobs)) jobsOf.Add(key, jobs = []);
            jobs.Add(job);
        }
    }

    /// <summary>What is believed of each job, by index.</summary>
    public IReadOnlyList<Estimate> Current => current;

    /// <summary>A builder with the speeds that were learnt in place of the configured ones.</summary>
    public FarmBuilder WithLearntSpeeds(FarmBuilder configured) =>
        configured with { Systems = configured.Systems.Select(s => new SystemSpeed(s.System, estimator.SpeedOf(configured, s.System))).ToArray() };

    /// <summary>Learns from a build that has succeeded.</summary>
    /// <param name="finished">The event, applied already.</param>
    /// <param name="configured">The builder as configured, without learnt speeds.</param>
    /// <param name="inUse">The builder as the scheduler has it.</param>
    /// <param name="seconds">How long the build itself took.</param>
    /// <param name="cores">What it was allowed to use.</param>
    /// <returns>Events to apply: estimates of other jobs of this package, the speed of this builder.</returns>
    public IReadOnlyList<SchedulingEvent> Learn(SchedulingEvent.JobFinished finished, FarmBuilder configured, FarmBuilder inUse, double seconds, int cores)
    {
        var job = graph[finished.Job];
        if (job.IsFixedOutput || job.IsBuiltin) return [];
        var key = PackagePriors.KeyOf(job);
        estimator.Observe(new BuildObservation
        {
            Package = key,
            System = job.System,
            Builder = configured.Name,
            Seconds = seconds,
            Cores = cores,
            EnableParallelBuilding = job.EnableParallelBuilding,
            SpeedFactor = configured.SpeedOf(job.System),
            OutputBytes = finished.OutputBytes,
        });
        var changes = new List<SchedulingEvent>();
        foreach (var other in jobsOf[key])
        {
            var estimate = estimator.For(graph[other]);
            if (!Differs(estimate.Seconds, current[other].Seconds) && !Differs(estimate.Spread, current[other].Spread)) continue;
            current[other] = estimate;
            changes.Add(new SchedulingEvent.EstimateChanged(finished.At, other, estimate));
        }
        if (Differs(estimator.SpeedOf(configured, job.System), inUse.SpeedOf(job.System)))
        {
            changes.Add(new SchedulingEvent.BuilderChanged(finished.At, finished.Builder, inUse with { Systems = WithLearntSpeeds(configured).Systems }));
        }
        return changes;
    }

    private static bool Differs(double a, double b) => Math.Abs(a - b) > Worth * Math.Max(a, b);
}
