using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Lending;
using NixBuildFarm.Scheduling.Playing;
using NixBuildFarm.Simulation;

namespace NixBuildFarm.Core.Tests.Simulation;

/// <summary>A small random graph on a small random farm: the same for the same seed.</summary>
internal sealed class RandomWorld
{
    private static readonly string[] Systems = ["x86_64-linux", "aarch64-linux"];

    public RandomWorld(int seed)
    {
        Random = new Random(seed);
        var count = 1 + Random.Next(60);
        var density = Random.NextDouble() * 4;
        Graph = new JobGraph(Enumerable.Range(0, count).Select(j => MakeJob(j, density)).ToArray());
        Truth = new GraphDurations(
            Enumerable.Range(0, count).Select(_ => Math.Round(Math.Exp(Random.NextDouble() * 6 - 1), 3)).ToArray(),
            Enumerable.Range(0, count).Select(_ => (long)Random.Next(200_000_000)).ToArray());
        // The first one takes everything, so that every job has a builder.
        Farm = Enumerable.Range(0, 1 + Random.Next(6)).Select(b => MakeBuilder(b)).ToArray();
    }

    public Random Random { get; }

    public JobGraph Graph { get; }

    public GraphDurations Truth { get; private set; }

    public IReadOnlyList<FarmBuilder> Farm { get; set; }

    /// <summary>Most builds spend a part of their time in compiles that others may do.</summary>
    public RandomWorld WithCompiles()
    {
        Truth = Truth with
        {
            Compiles =
            [
                .. Truth.Seconds.Select(
                    _ => Random.Next(4) == 0 ? default : new CompileEstimate(Random.NextDouble(), 0.05 + Random.NextDouble() * 5)),
            ],
        };
        return this;
    }

    public RunEstimates Estimates() =>
        SimulatedEstimates.Make((EstimateKind)Random.Next(4), Graph, Farm, Truth, Random.NextDouble(), Random.Next());

    public SchedulerOptions Options() => new()
    {
        Policy = (SchedulingRule)Random.Next(6),
        Moldable = Random.Next(2) == 0,
        Hedge = Random.Next(2) == 0,
        Seed = Random.Next(100),
    };

    public SimulationResult Play(
        SchedulerOptions options, IReadOnlyList<SchedulingEvent>? disturbances = null, Func<int, int, FailureKind?>? failure = null)
    {
        var estimates = Estimates();
        var scheduler = new Scheduler(Graph, estimates.Farm, estimates.Current, options);
        return new FarmSimulator(
            scheduler, Truth, new SimulationOptions { Estimates = estimates, Disturbances = disturbances ?? [], Failure = failure })
            .Run();
    }

    public static string Lines(SimulationResult result)
    {
        using var text = new StringWriter();
        SimulationFiles.WriteSchedule(text, result);
        return text.ToString();
    }

    private Job MakeJob(int index, double density)
    {
        var needs = Enumerable.Range(0, index).Where(_ => Random.NextDouble() < density / Math.Max(1, index)).ToArray();
        var isBuiltin = Random.Next(15) == 0;
        return new Job
        {
            Name = $"job{index}",
            PackageName = $"p{Random.Next(20)}",
            System = isBuiltin ? "builtin" : Systems[Random.Next(2)],
            PreferLocal = Random.Next(8) == 0,
            IsFixedOutput = Random.Next(8) == 0,
            EnableParallelBuilding = Random.Next(2) == 0,
            RequiredFeatures = !isBuiltin && Random.Next(10) == 0 ? ["kvm"] : [],
            Priority = Random.Next(20) == 0 ? 1 : 0,
            Dependencies = needs,
            IsRequested = Random.Next(5) == 0,
        };
    }

    private FarmBuilder MakeBuilder(int index)
    {
        var all = index == 0;
        var slots = 1 + Random.Next(4);
        var bandwidth = Random.Next(3) == 0 ? double.PositiveInfinity : 1e6 * (1 + Random.Next(100));
        return new FarmBuilder
        {
            Name = $"b{index}",
            IsLocal = index == 0 && Random.Next(4) != 0,
            Systems = Systems.Where((_, i) => all || i == index % 2 || Random.Next(3) != 0)
                .Select(s => new SystemSpeed(s, 0.3 + 2 * Random.NextDouble()))
                .ToArray(),
            MaxJobs = slots,
            Cores = slots * (1 + Random.Next(8)),
            SupportedFeatures = all || Random.Next(2) == 0 ? ["kvm", "big-parallel"] : [],
            UploadBandwidth = bandwidth,
            DownloadBandwidth = bandwidth,
        };
    }
}
