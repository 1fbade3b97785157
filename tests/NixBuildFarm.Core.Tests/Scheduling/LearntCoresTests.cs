using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Playing;
using static NixBuildFarm.Core.Tests.Scheduling.Given;

namespace NixBuildFarm.Core.Tests.Scheduling;

/// <summary>How well a package uses cores is learnt from the processor time of its builds.</summary>
public class LearntCoresTests
{
    private readonly Estimator estimator = new();

    private static readonly Job Frobnicate = Job("frobnicate-1.0") with { PackageName = "frobnicate", EnableParallelBuilding = true };

    /// <summary>A build of 100 s that used so many cores on average.</summary>
    private static BuildObservation Build(double used, int cores = 4) => new()
    {
        Package = "frobnicate",
        System = X86,
        Builder = "ruby",
        Seconds = 100,
        Cores = cores,
        EnableParallelBuilding = true,
        ProcessorSeconds = 100 * used,
    };

    private double Learn(params BuildObservation[] builds)
    {
        foreach (var build in builds) estimator.Observe(build);
        return estimator.For(Frobnicate).SerialPart;
    }

    [Fact]
    public void Without_processor_times_a_twentieth_of_the_work_is_serial()
    {
        Assert.Equal(0.05, Learn(Build(1) with { ProcessorSeconds = null }));
        Assert.Equal(Estimate.CoreFactor(true, 16), estimator.For(Frobnicate).FactorOf(true, 16));
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(0.2, 1)]
    [InlineData(1.6, 0.5)]
    [InlineData(4, 0)]
    [InlineData(7, 0)]
    public void Many_builds_show_what_part_is_serial(double used, double serialPart) =>
        Assert.Equal(serialPart, Learn([.. Enumerable.Repeat(Build(used), 9)]), 1e-9);

    [Fact]
    public void One_build_is_trusted_half() => Assert.Equal((0.05 + 1) / 2, Learn(Build(1)), 1e-9);

    [Fact]
    public void One_core_short_builds_and_compiles_elsewhere_show_nothing()
    {
        Assert.Equal(0.05, Learn(Build(1, cores: 1)));
        Assert.Equal(0.05, Learn(Build(1) with { Seconds = 2 }));
        Assert.Equal(0.05, Learn(Build(1) with { EnableParallelBuilding = false }));
        Assert.Equal(0.05, Learn(Build(1) with { Compiles = new CompileObservation(100, 75, 320, 40) }));
    }

    [Fact]
    public void A_package_that_uses_one_core_takes_as_long_on_sixteen_as_on_four()
    {
        Learn([.. Enumerable.Repeat(Build(1, cores: 16), 9)]);

        var estimate = estimator.For(Frobnicate);

        Assert.Equal(100, estimate.Seconds * estimate.FactorOf(true, 16), 1.0);
        Assert.Equal(100, estimate.Seconds, 1.0);
    }

    [Fact]
    public void A_plan_counts_with_the_cores_that_a_package_uses()
    {
        var graph = new JobGraph([Frobnicate]);
        var farm = new[] { Builder("ruby") with { Cores = 16 } };
        Assert.Equal(100, MakespanOf(1), 1);
        Assert.InRange(MakespanOf(0.05), 30, 60);

        double MakespanOf(double serialPart)
        {
            var estimates = new[] { new Estimate(100, 0, 0) { SerialPart = serialPart } };
            var scheduler = new Scheduler(graph, farm, estimates, new SchedulerOptions { Moldable = true });
            return new FarmSimulator(scheduler, GraphDurations.Of(estimates)).Run().Makespan;
        }
    }
}
