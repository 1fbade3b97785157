using NixBuildFarm.Builders;
using NixBuildFarm.Deciding;
using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Observing;
using NixBuildFarm.Protocol;
using NixBuildFarm.Running;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Lending;
using NixBuildFarm.Scheduling.Playing;
using NixBuildFarm.Sessions;
using NixBuildFarm.Store.Derivations;
using NixBuildFarm.Supplying;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Planning;

/// <summary>
/// Plans a run without running it: finds the work as the run does, and simulates it with the run's scheduler and initial estimates. Asks
/// the local store what it has and can fetch, and this machine what memory it has; contacts no other builder, and takes each as it is
/// configured.
/// </summary>
public sealed class BuildPlanner
{
    private readonly BuildRequest request;
    private readonly IBuilderTransportFactory transports;
    private readonly IRunHistory history;
    private readonly IBuildObserver observer;
    private readonly IDerivationSource derivations;

    /// <summary>Makes a planner.</summary>
    /// <param name="request">The request of the run.</param>
    /// <param name="transports">How the local store is reached.</param>
    /// <param name="history">Observations of earlier runs; only read.</param>
    /// <param name="observer">Receives decisions, and a warning where the history cannot be used.</param>
    public BuildPlanner(BuildRequest request, IBuilderTransportFactory transports, IRunHistory history, IBuildObserver observer)
        : this(request, transports, history, observer, new StoreFolder())
    {
    }

    internal BuildPlanner(
        BuildRequest request, IBuilderTransportFactory transports, IRunHistory history, IBuildObserver observer,
        IDerivationSource derivations)
    {
        this.request = request;
        this.transports = transports;
        this.history = history;
        this.observer = observer;
        this.derivations = derivations;
    }

    /// <summary>Makes the plan.</summary>
    /// <exception cref="NixBuildFarmException">The run could not begin: no local store, unreadable derivations.</exception>
    public async Task<RunPlan> PlanAsync(CancellationToken cancellation)
    {
        await using var sessions = new SessionSet(transports, new() { Verbose = observer.Decided });
        var opening = sessions.OpenLocalAsync(request.Builders, cancellation);
        var requested = await request.Evaluate(cancellation);
        var (_, jobs) = await RunJobs.FindAsync(requested, request.Evaluate, derivations, opening, cancellation);
        var local = await opening;
        var catalog = new PathCatalog();
        await new Closures(catalog).DiscoverAsync(local, jobs.LocalInputs, cancellation);
        jobs.Weigh(catalog);
        var fetched = await FetchedAsync(jobs, local, cancellation);
        await using var known = RunHistory.Open(history, observer, TimeProvider.System, stopped: cancellation);
        // The run's order of builders, which decides between equals.
        NixBuilder[] farm = [.. request.Builders.DistinctBy(builder => builder.Name).OrderBy(builder => !builder.IsLocal)];
        foreach (
            var trouble in (await known.TroublesAsync())
                .Where(
                    trouble =>
                        farm.Any(builder => builder.Name == trouble.Builder) && trouble.PauseAt(DateTimeOffset.UtcNow) > TimeSpan.Zero))
        {
            observer.Decided($"{trouble.Builder} is part of the plan, but quarantined after faults in an earlier run, for another "
                + $"{Math.Ceiling(trouble.PauseAt(DateTimeOffset.UtcNow).TotalSeconds)} s: {trouble.Reason}");
        }
        var estimates = await known.EstimateAsync(jobs.Graph, farm);
        if (farm.Any(builder => !builder.IsLocal))
        {
            observer.Decided("The plan knows the memory of this machine only, and takes others as large enough, idle and not held.");
        }
        var memory = local.Facts.Machine.Memory;
        FarmBuilder[] described = [.. estimates.Farm.Select(builder => builder.IsLocal ? builder with { Memory = memory } : builder)];
        var plan = Task.Run(() => Plan(jobs, farm, described, estimates, cancellation), cancellation);
        var (steps, schedule) = await plan.WaitAsync(cancellation);
        return new(steps, Outlook(jobs, farm, schedule, estimates.Current, catalog, fetched));
    }

    /// <summary>Asks the local store what it would fetch, closures included; null: nothing.</summary>
    private static async Task<MissingPaths?> FetchedAsync(RunJobs jobs, BuilderSession local, CancellationToken cancellation)
    {
        DerivedPath[] wanted = [.. jobs.Jobs.Where(job => job.IsSubstitution).SelectMany(job => job.Wanted).Select(DerivedPath.Opaque)];
        return wanted.Length > 0
            ? await local.AskAsync((daemon, token) => daemon.QueryMissingAsync(wanted, token), cancellation)
            : null;
    }

    private (IReadOnlyList<NixBuildPlan> Steps, IReadOnlyList<ScheduledJob> Schedule) Plan(
        RunJobs jobs, NixBuilder[] farm, FarmBuilder[] described, RunEstimates estimates, CancellationToken cancellation)
    {
        var scheduler = new Scheduler(jobs.Graph, described, estimates.Current, request.Rules.Scheduling);
        // What is made by a build, and what that needs, is not known yet.
        foreach (var job in jobs.Jobs.Where(job => !job.IsBuild))
        {
            scheduler.Apply(new SchedulingEvent.JobResolved(0, job.Index, ExternalOutcome.Available));
        }
        var lending = new CompileLending(scheduler);
        var reasons = new Dictionary<int, string>();
        var believed = GraphDurations.Of(estimates.Current);
        var run = new FarmSimulator(scheduler, believed, new SimulationOptions { Decided = Note }).Run();

        var builds = run.Schedule.ToDictionary(entry => entry.Job);
        var planned = jobs.Jobs.Where(job => job.Expansion is null)
            .OrderBy(job => job.IsSubstitution ? 0 : builds.TryGetValue(job.Index, out var entry) ? entry.Start : double.PositiveInfinity)
            .Select(job => job.IsSubstitution ? Substitution(job)
                : builds.TryGetValue(job.Index, out var entry)
                    ? Build(job, entry, farm[entry.Builder], reasons[job.Index], estimates.Current[job.Index].Source)
                : Refusal(job, reasons.GetValueOrDefault(job.Index)));
        return ([.. jobs.AlreadyValid(runId: "").Select(Valid), .. planned], run.Schedule);

        bool IsShared(int job, int builder) =>
            lending.MayBeHelped(job, builder) && scheduler.EstimateOf(job).Compiles.Share > 0
                && Enumerable.Range(0, farm.Length).Any(helper => lending.MayHelp(job, builder, helper));

        void Note(SchedulingDecision decision)
        {
            cancellation.ThrowIfCancellationRequested();
            switch (decision)
            {
                case SchedulingDecision.Start d:
                    reasons[d.Job] = d.Reason.InWords() + (IsShared(d.Job, d.Builder) ? "; other builders do compiles of it" : "");
                    break;
                case SchedulingDecision.NoBuilder d:
                    reasons[d.Job] = ReasonText.Refusals(scheduler.WhyNot(d.Job), scheduler.Builders);
                    break;
            }
        }
    }

    private static PlanOutlook Outlook(
        RunJobs jobs, NixBuilder[] farm, IReadOnlyList<ScheduledJob> schedule, IReadOnlyList<Estimate> estimates, PathCatalog catalog,
        MissingPaths? fetched) => new()
    {
        Span = PlanSpan.Of(schedule, jobs.Graph, estimates),
        IsGuess = 2 * schedule.Where(entry => estimates[entry.Job].IsGuess).Sum(entry => entry.End - entry.Start)
            > schedule.Sum(entry => entry.End - entry.Start),
        FetchedPaths = fetched?.WillSubstitute.Count ?? 0,
        DownloadBytes = fetched?.DownloadSize ?? 0,
        UnpackedBytes = fetched?.NarSize ?? 0,
        InputBytes = schedule.Where(entry => !farm[entry.Builder].IsLocal)
            .GroupBy(entry => farm[entry.Builder].Name, entry => jobs.Jobs[entry.Job].Inputs)
            .ToDictionary(
                own => own.Key,
                own => catalog.ClosureOf(own.SelectMany(inputs => inputs).Distinct().Where(path => catalog.Find(path) is not null))
                    .Sum(info => info.NarSize)),
    };

    private static NixBuildPlan Valid(NixBuildResult result) => new()
    {
        Name = result.Name,
        DerivationPath = result.DerivationPath,
        System = result.System,
        Action = NixBuildPlanAction.AlreadyValid,
        Why = "its outputs are valid",
        IsRequested = true,
    };

    private static NixBuildPlan Substitution(RunJob job) => Of(job, NixBuildPlanAction.Substitute, "a substituter has it");

    private NixBuildPlan Build(RunJob job, ScheduledJob entry, NixBuilder builder, string why, EstimateSource source) => new()
    {
        Name = job.Name,
        DerivationPath = job.Path.ToString(),
        System = job.Derivation.System,
        Action = NixBuildPlanAction.Build,
        Builder = builder.Name,
        Start = TimeSpan.FromSeconds(entry.Start),
        End = TimeSpan.FromSeconds(entry.End),
        EstimateSource = source,
        Cores = request.Rules.CoresFor(builder, entry.Cores),
        Why = why,
        IsRequested = job.IsRequested,
    };

    private static NixBuildPlan Refusal(RunJob job, string? refusals) => refusals is null
        ? Of(job, NixBuildPlanAction.DependencyFailed, "a derivation that it needs has no builder")
        : Of(job, NixBuildPlanAction.NoEligibleBuilder, refusals);

    private static NixBuildPlan Of(RunJob job, NixBuildPlanAction action, string why) => new()
    {
        Name = job.Name,
        DerivationPath = job.Path.ToString(),
        System = job.Derivation.System,
        Action = action,
        Why = why,
        IsRequested = job.IsRequested,
    };
}
