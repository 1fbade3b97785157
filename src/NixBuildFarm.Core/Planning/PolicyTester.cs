using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.Evaluation;
using NixBuildFarm.History;
using NixBuildFarm.Observing;
using NixBuildFarm.Running;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Playing;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;
using NixBuildFarm.Work;

namespace NixBuildFarm.Planning;

/// <summary>
/// Says which builder would take a derivation, and why the others would not. Asks the scheduler; builds nothing and connects to no builder.
/// </summary>
public sealed class PolicyTester
{
    private static readonly SchedulerOptions Options = new() { Moldable = true };

    private readonly IReadOnlyList<NixBuilder> builders;
    private readonly IRunHistory history;
    private readonly IBuildObserver observer;
    private readonly IDerivationSource derivations;

    /// <summary>Makes a tester.</summary>
    /// <param name="builders">The builders, disabled ones too.</param>
    /// <param name="history">Observations of earlier runs; only read.</param>
    /// <param name="observer">Receives a warning when the history cannot be used.</param>
    public PolicyTester(IEnumerable<NixBuilder> builders, IRunHistory history, IBuildObserver observer)
        : this(builders, history, observer, new StoreFolder())
    {
    }

    internal PolicyTester(IEnumerable<NixBuilder> builders, IRunHistory history, IBuildObserver observer, IDerivationSource derivations)
    {
        this.derivations = derivations;
        this.builders = [.. builders.DistinctBy(builder => builder.Name).OrderBy(builder => !builder.IsLocal)];
        this.history = history;
        this.observer = observer;
    }

    /// <summary>Tests one derivation of the local store: a result for each builder.</summary>
    /// <param name="path">The derivation.</param>
    /// <param name="evaluate">Makes it again where the garbage collector has taken it since.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="NixBuildFarmException">The derivation cannot be read.</exception>
    public async Task<IReadOnlyList<NixBuilderPolicyTest>> TestAsync(
        StorePath path, Func<CancellationToken, Task<IReadOnlyList<RequestedDerivation>>> evaluate, CancellationToken cancellation)
    {
        var derivation = await Reevaluation.UseAsync([], evaluate, _ => derivations.ReadAsync(path, cancellation), cancellation);
        var job = derivation.ToJob(path.Name[..^".drv".Length]);
        var graph = new JobGraph([job]);
        await using var known = RunHistory.Open(history, observer, TimeProvider.System, stopped: cancellation);
        var estimates = await known.EstimateAsync(graph, builders);
        FarmBuilder[] farm =
        [
            .. estimates.Farm.Zip(builders, (described, builder) => described with { Enabled = described.Enabled && builder.Enabled }),
        ];
        var chosen = Play(farm);
        return [.. Eligibility.OnFarm(job, farm).Select((eligibility, b) =>
        {
            var alone = eligibility.IsEligible ? Play([farm[b]]) : null;
            return new NixBuilderPolicyTest
            {
                Name = farm[b].Name,
                Derivation = job.Name,
                DerivationPath = path.ToString(),
                Eligible = eligibility.IsEligible,
                IsChosen = chosen?.Builder == b,
                Reason = eligibility.Problem,
                EstimatedDuration = alone is { } run ? TimeSpan.FromSeconds(run.End - run.Start) : null,
                IsGuess = alone is not null && estimates.Current[0].IsGuess,
                EstimatedFinish = alone is { } end ? TimeSpan.FromSeconds(end.End) : null,
            };
        })];

        ScheduledJob? Play(IReadOnlyList<FarmBuilder> on)
        {
            var truth = GraphDurations.Of(estimates.Current) with { Compiles = null };
            var run = new FarmSimulator(new Scheduler(graph, on, estimates.Current, Options), truth).Run();
            return run.Schedule.Count > 0 ? run.Schedule[0] : null;
        }
    }
}
