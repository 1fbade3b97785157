using NixBuildFarm.Scheduling;
using static NixBuildFarm.Core.Tests.Scheduling.Given;

namespace NixBuildFarm.Core.Tests.Scheduling;

/// <summary>What builds teach of the memory that others of their package take.</summary>
public class LearntMemoryTests
{
    private const long GB = 1_000_000_000;

    private readonly Estimator estimator = new();

    private static BuildObservation Build(string package, double gigabytes, string system = X86) => new()
    {
        Package = package, System = system, Builder = "ruby", Seconds = 100, PeakMemory = (long)(gigabytes * GB),
    };

    private static Job Package(string name, string system = X86) => Job(name + "-1.0") with { PackageName = name, System = system };

    [Fact]
    public void Many_builds_give_their_median_and_one_odd_build_does_no_harm()
    {
        foreach (var peak in new[] { 3.0, 3.1, 40, 2.9, 3.2, 3.0 }) estimator.Observe(Build("frobnicate", peak));

        var estimate = estimator.For(Package("frobnicate"));

        Assert.InRange(estimate.Memory, 2.9 * GB, 3.2 * GB);
        Assert.InRange(estimate.MemoryNeed, estimate.Memory, 4 * GB);
    }

    [Fact]
    public void The_spread_falls_as_equal_builds_are_seen()
    {
        var spreads = new List<double> { estimator.For(Package("frobnicate")).MemorySpread };
        for (var i = 0; i < 5; i++)
        {
            estimator.Observe(Build("frobnicate", 3));
            spreads.Add(estimator.For(Package("frobnicate")).MemorySpread);
        }

        Assert.Equal(spreads.OrderDescending(), spreads);
        Assert.InRange(spreads[^1], 0.05, 0.15);
    }

    [Theory]
    [InlineData(0.3)]
    [InlineData(60)]
    public void What_was_seen_takes_the_place_of_the_table(double gigabytes)
    {
        estimator.Observe(Build("llvm", gigabytes));

        Assert.Equal(gigabytes, (double)estimator.For(Package("llvm")).Memory / GB, 0.001);
    }

    [Fact]
    public void A_build_whose_memory_nobody_saw_leaves_the_guess_as_it_is()
    {
        estimator.Observe(Build("llvm", 1) with { PeakMemory = null });

        var estimate = estimator.For(Package("llvm"));

        Assert.InRange(estimate.Seconds, 80, 140);
        Assert.Equal(PackagePriors.For(Package("llvm")).MemoryNeed, estimate.MemoryNeed);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(long.MinValue)]
    public void A_peak_that_is_none_teaches_nothing(long peak)
    {
        estimator.Observe(Build("frobnicate", 0) with { PeakMemory = peak });
        estimator.Observe(Build("frobnicate", 0) with { PeakMemory = peak, WasKilled = true });

        Assert.Equal(PackagePriors.For(Package("frobnicate")).MemoryNeed, estimator.For(Package("frobnicate")).MemoryNeed);
    }

    [Fact]
    public void Nonsense_that_a_builder_tells_does_not_overflow()
    {
        foreach (var peak in new[] { 1, long.MaxValue, 2, long.MaxValue })
        {
            estimator.Observe(Build("frobnicate", 0) with { PeakMemory = peak });
        }
        Assert.InRange(estimator.For(Package("frobnicate")).MemoryNeed, 1, long.MaxValue / 1000);

        estimator.Observe(Build("frobnicate", 0) with { PeakMemory = long.MaxValue, WasKilled = true });
        Assert.InRange(estimator.For(Package("frobnicate")).MemoryNeed, 1, long.MaxValue / 1000);
    }

    [Fact]
    public void Another_system_is_a_vaguer_guide()
    {
        estimator.Observe(Build("frobnicate", 7, Arm));

        var (same, other) = (estimator.For(Package("frobnicate", Arm)), estimator.For(Package("frobnicate")));

        Assert.Equal(7 * GB, other.Memory, (double)GB / 1000);
        Assert.True(other.MemorySpread > same.MemorySpread);
    }

    [Fact]
    public void A_build_that_was_killed_is_expected_to_take_more_than_it_had()
    {
        for (var i = 0; i < 5; i++) estimator.Observe(Build("frobnicate", 2));
        estimator.Observe(Build("frobnicate", 8) with { Seconds = 0, WasKilled = true });

        var estimate = estimator.For(Package("frobnicate"));

        Assert.True(estimate.Memory > 8 * GB, $"{estimate.Memory} bytes are expected.");
        Assert.InRange(estimate.Seconds, 80, 140);
    }

    [Fact]
    public void A_build_that_was_killed_never_makes_a_guess_smaller()
    {
        estimator.Observe(Build("llvm", 2) with { Seconds = 0, WasKilled = true });

        Assert.Equal(PackagePriors.For(Package("llvm")).Memory, estimator.For(Package("llvm")).Memory);
        Assert.True(estimator.For(Package("llvm")).MemoryNeed >= PackagePriors.For(Package("llvm")).MemoryNeed);
    }

    [Fact]
    public void Once_others_have_ended_well_the_median_counts_again()
    {
        estimator.Observe(Build("frobnicate", 8) with { Seconds = 0, WasKilled = true });
        for (var i = 0; i < 3; i++) estimator.Observe(Build("frobnicate", 9));

        Assert.Equal(9 * GB, estimator.For(Package("frobnicate")).Memory, (double)GB / 1000);
    }

    [Fact]
    public void A_build_that_was_killed_tells_the_scheduler_of_itself_and_of_others_of_its_package()
    {
        var graph = new JobGraph([Package("frobnicate"), Package("frobnicate"), Package("other")]);
        var estimates = new RunEstimates(graph, [Builder("ruby")], new Estimator());

        var changes = estimates.LearnKilled(0, "ruby", 8 * GB, at: 7).Cast<SchedulingEvent.EstimateChanged>().ToArray();

        Assert.Equal([0, 1], changes.Select(change => change.Job).Order());
        Assert.All(changes, change => Assert.True(change.Estimate.Memory > 8 * GB));
        Assert.All(changes, change => Assert.Equal(7, change.At));
    }

    [Fact]
    public void The_memory_of_a_build_is_told_of_others_of_its_package()
    {
        var graph = new JobGraph([Package("frobnicate"), Package("frobnicate")]);
        var ruby = Builder("ruby");
        var estimates = new RunEstimates(graph, [ruby], new Estimator());

        var learnt = estimates.Learn(new SchedulingEvent.JobFinished(9, 0, 0, 5), ruby, 9, 4, peakMemory: 3 * GB);

        Assert.Equal(3 * GB, Assert.IsType<SchedulingEvent.EstimateChanged>(Assert.Single(learnt)).Estimate.Memory, (double)GB / 1000);
    }
}
