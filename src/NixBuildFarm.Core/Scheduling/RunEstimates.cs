namespace NixBuildFarm.Scheduling;

/// <summary>
/// Binds an estimator to one graph: the first estimates, and after each build the events that tell the scheduler what is now known better.
/// </summary>
internal sealed class RunEstimates
{
    /// <summary>Changes below this (in parts of the value) do not matter.</summary>
    private const double Worth = 0.05, WorthOfSpeed = 0.1;

    /// <summary>
    /// What is believed of all jobs of a kind is told anew when it has changed by so much (in parts): the jobs are walked, and a factor of
    /// ten is two dozen walks in a run of any length.
    /// </summary>
    private const double WorthOfFactor = 0.1;

    private readonly List<Job> all = [];
    private readonly HashSet<int> finished = [];
    private readonly Dictionary<JobKind, Told> told = [];
    private readonly IEstimator estimator;
    private readonly List<Estimate> current = [];
    private readonly Dictionary<string, Dictionary<string, List<int>>> jobsOf = [];
    private readonly Dictionary<string, FarmBuilder> configured;

    /// <summary>Asks for all estimates once.</summary>
    /// <param name="jobs">The jobs.</param>
    /// <param name="farm">The builders as configured.</param>
    /// <param name="estimator">Knows, or learns.</param>
    public RunEstimates(JobGraph jobs, IReadOnlyList<FarmBuilder> farm, IEstimator estimator)
    {
        this.estimator = estimator;
        Configured = farm;
        configured = farm.ToDictionary(b => b.Name);
        Farm = farm.Select(b => b with { Systems = LearntSpeeds(b) }).ToArray();
        for (var job = 0; job < jobs.Count; job++) Add(job, jobs[job]);
    }

    /// <summary>Takes in what earlier runs have taught of packages that join, unless it is known already.</summary>
    /// <param name="builds">The builds.</param>
    /// <param name="joining">The jobs that join.</param>
    public void Know(IReadOnlyCollection<BuildObservation> builds, IEnumerable<Job> joining)
    {
        if (builds.Count > 0) estimator.Know(builds, joining.Where(job => !jobsOf.ContainsKey(PackagePriors.KeyOf(job))));
    }

    /// <summary>Asks for the estimates of jobs that join the graph. They are to be added to it next.</summary>
    public IReadOnlyList<Estimate> Add(IReadOnlyList<Job> more)
    {
        var first = current.Count;
        for (var i = 0; i < more.Count; i++) Add(first + i, more[i]);
        return current.GetRange(first, more.Count);
    }

    private void Add(int job, Job described)
    {
        all.Add(described);
        current.Add(estimator.For(described));
        if (described.IsFixedOutput || described.IsBuiltin) return;
        var kind = estimator.KindOf(described);
        if (!told.TryGetValue(kind, out var its)) told.Add(kind, its = new(estimator.FactorOf(kind)));
        its.Jobs.Add(job);
        var key = PackagePriors.KeyOf(described);
        if (!jobsOf.TryGetValue(key, out var bySystem)) jobsOf.Add(key, bySystem = []);
        if (!bySystem.TryGetValue(described.System, out var jobs)) bySystem.Add(described.System, jobs = []);
        jobs.Add(job);
    }

    /// <summary>What is believed of each job, by index.</summary>
    public IReadOnlyList<Estimate> Current => current;

    /// <summary>The builders as configured.</summary>
    public IReadOnlyList<FarmBuilder> Configured { get; }

    /// <summary>The builders at the start, with the speeds that earlier runs have taught in place of the configured ones.</summary>
    public IReadOnlyList<FarmBuilder> Farm { get; }

    /// <summary>Learns from a build that has succeeded.</summary>
    /// <param name="done">The event, applied already.</param>
    /// <param name="builder">The builder as the scheduler has it.</param>
    /// <param name="seconds">How long the build itself took.</param>
    /// <param name="cores">What it was allowed to use.</param>
    /// <param name="compiles">What it told of its compiles; null: it was not shared.</param>
    /// <param name="peakMemory">The most memory that it had at a time, in bytes; null: that was not seen.</param>
    /// <param name="processorSeconds">Processor time that it took; null: that was not seen.</param>
    /// <param name="phases">The parts of its time after which its phases began; null: it had none, or that was not seen.</param>
    /// <returns>
    /// Events to apply: estimates of other jobs of this package, and of all whose guesses have turned out to be wrong; the speed of this
    /// builder.
    /// </returns>
    public IReadOnlyList<SchedulingEvent> Learn(
        SchedulingEvent.JobFinished done, FarmBuilder builder, double seconds, int cores, CompileObservation? compiles = null,
        long? peakMemory = null, double? processorSeconds = null, (double? CheckAt, double? InstallAt) phases = default)
    {
        var job = all[done.Job];
        if (job.IsFixedOutput || job.IsBuiltin) return [];
        // One that has joined during the run comes as it is configured.
        configured.TryAdd(builder.Name, builder);
        var original = configured[builder.Name];
        var key = PackagePriors.KeyOf(job);
        var learnt = estimator.Observe(new BuildObservation
        {
            Package = key,
            System = job.System,
            Builder = original.Name,
            Seconds = seconds,
            Cores = cores,
            EnableParallelBuilding = job.EnableParallelBuilding,
            SpeedFactor = original.SpeedOf(job.System),
            OutputBytes = done.OutputBytes,
            PeakMemory = peakMemory,
            ProcessorSeconds = processorSeconds,
            CheckAt = phases.CheckAt,
            InstallAt = phases.InstallAt,
            Compiles = compiles,
        }, job);
        finished.Add(done.Job);
        if (!learnt) return [];
        var changes = new List<SchedulingEvent>();
        foreach (var jobs in jobsOf[key].Values)
        {
            // Once a package was seen, all its jobs of one system are expected to be alike.
            var estimate = estimator.For(all[jobs[0]]);
            foreach (var other in jobs)
            {
                if (Believe(other, estimate) && other != done.Job)
                {
                    changes.Add(new SchedulingEvent.EstimateChanged(done.At, other, estimate));
                }
            }
        }
        TellFactors(done.At, changes);
        if (Differs(estimator.SpeedOf(original, job.System), builder.SpeedOf(job.System), WorthOfSpeed))
        {
            changes.Add(
                new SchedulingEvent.BuilderChanged(done.At, done.Builder, builder with { Systems = LearntSpeeds(original) }));
        }
        return changes;
    }

    /// <summary>A build that runs has come to a phase: how much of it is left is known by earlier builds of its package.</summary>
    /// <param name="job">The job.</param>
    /// <param name="builder">The builder as the scheduler has it.</param>
    /// <param name="phase">The phase.</param>
    /// <param name="elapsed">How long the build has run.</param>
    /// <param name="cores">What it is allowed to use.</param>
    /// <returns>What is believed of the job now, and how long this build of it will take; null: nothing else than before.</returns>
    public (Estimate Estimate, double Seconds)? EnterPhase(int job, FarmBuilder builder, TellingPhase phase, double elapsed, int cores)
    {
        var described = all[job];
        if (estimator.BeginningOf(described, phase) is not { } beginning || !(elapsed > 0)) return null;
        var scale = current[job].FactorOf(described.EnableParallelBuilding, Math.Max(1, cores)) / builder.SpeedOf(described.System);
        return double.IsFinite(scale) && scale > 0
            ? (beginning.Of(current[job], elapsed / scale), elapsed / beginning.Share)
            : null;
    }

    /// <summary>Learns from a build that was killed when memory ran out.</summary>
    /// <param name="job">The job.</param>
    /// <param name="builder">The builder.</param>
    /// <param name="least">What the build takes at least, in bytes.</param>
    /// <param name="at">When, in seconds of the run.</param>
    /// <returns>Events to apply: estimates of this job and others of its package.</returns>
    public IReadOnlyList<SchedulingEvent> LearnKilled(int job, string builder, long least, double at)
    {
        var killed = all[job];
        if (killed.IsFixedOutput || killed.IsBuiltin) return [];
        var key = PackagePriors.KeyOf(killed);
        var learnt = estimator.Observe(new BuildObservation
        {
            Package = key,
            System = killed.System,
            Builder = builder,
            Seconds = 0,
            PeakMemory = least,
            WasKilled = true,
        }, killed);
        if (!learnt) return [];
        return
        [
            .. jobsOf[key].Values.SelectMany(jobs => jobs).Where(other => Believe(other, estimator.For(all[other])))
                .Select(other => new SchedulingEvent.EstimateChanged(at, other, current[other])),
        ];
    }

    /// <summary>What guesses have in common has changed: so have the estimates of all jobs of these kinds.</summary>
    private void TellFactors(double at, List<SchedulingEvent> changes)
    {
        foreach (var (kind, its) in told)
        {
            var factor = estimator.FactorOf(kind);
            if (!its.Changes(factor)) continue;
            its.Factor = factor;
            its.Jobs.RemoveAll(finished.Contains);
            foreach (var job in its.Jobs)
            {
                var estimate = estimator.For(all[job]);
                if (Believe(job, estimate)) changes.Add(new SchedulingEvent.EstimateChanged(at, job, estimate));
            }
        }
    }

    /// <summary>False: the same was believed before.</summary>
    private bool Believe(int job, Estimate estimate)
    {
        var before = current[job];
        if (!Differs(estimate.Seconds, before.Seconds) && !Differs(estimate.Spread, before.Spread)
            && !Differs(estimate.WholeSpread, before.WholeSpread)
            && estimate.IsGuess == before.IsGuess
            && !Differs(estimate.Compiles.Share, before.Compiles.Share) && !Differs(estimate.MemoryNeed, before.MemoryNeed)
            && !(Math.Abs(estimate.SerialPart - before.SerialPart) > Worth)) return false;
        current[job] = estimate;
        return true;
    }

    private SystemSpeed[] LearntSpeeds(FarmBuilder original) =>
        original.Systems.Select(s => s with { Speed = estimator.SpeedOf(original, s.System) }).ToArray();

    private static bool Differs(double a, double b, double worth = Worth) => Math.Abs(a - b) > worth * Math.Max(a, b);

    /// <summary>What was told of the jobs of a kind.</summary>
    private sealed class Told((double Log, double Spread) factor)
    {
        /// <summary>Those that have not finished, and some that have.</summary>
        public List<int> Jobs { get; } = [];

        public (double Log, double Spread) Factor { get; set; } = factor;

        public bool Changes((double Log, double Spread) now) =>
            Math.Abs(now.Log - Factor.Log) > WorthOfFactor || Math.Abs(now.Spread - Factor.Spread) > WorthOfFactor;
    }
}
