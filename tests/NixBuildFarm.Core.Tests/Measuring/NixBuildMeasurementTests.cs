using NixBuildFarm.Measuring;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Playing;
using static NixBuildFarm.Core.Tests.Scheduling.Given;

namespace NixBuildFarm.Core.Tests.Measuring;

public class NixBuildMeasurementTests
{
    private static async Task<NixBuildMeasurement> MeasureAsync(Job[] jobs, FarmBuilder[] farm, double[] seconds, long[]? bytes = null)
    {
        var scenario = new Scenario
        {
            Graph = new JobGraph(jobs),
            Durations = new GraphDurations(seconds, bytes ?? new long[jobs.Length]),
            Farm = farm,
            Options = new SchedulerOptions { StartOverhead = 0 },
        };
        return NixBuildMeasurement.Of(scenario, await scenario.PlayAsync(null, TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task The_critical_path_is_the_chain_that_takes_longest_in_its_order()
    {
        var measured = await MeasureAsync(
            [Job("bottom"), Job("quick", 0), Job("slow", 0), Job("top", 1, 2), Job("aside")], [Local(2)], [3, 1, 5, 2, 6]);

        Assert.Equal(["bottom", "slow", "top"], measured.CriticalPath.Select(step => step.Name));
        Assert.Equal([3, 5, 2], measured.CriticalPath.Select(step => step.Duration.TotalSeconds));
        Assert.Equal([0, 3, 8], measured.CriticalPath.Select(step => step.Start.TotalSeconds));
        Assert.Equal(TimeSpan.FromSeconds(10), measured.Makespan);
        Assert.Equal(1, measured.Ratio);
    }

    [Fact]
    public async Task Each_builder_is_told_with_what_it_did()
    {
        var measured = await MeasureAsync(
            [Job("a"), Job("b"), Job("c") with { RequiredFeatures = ["kvm"] }], [Local(2), Builder("ruby", 1, 2, "kvm")], [8, 8, 8]);

        Assert.Equal(["local", "ruby"], measured.Utilisation.Select(u => u.Name));
        Assert.Equal(3, measured.Utilisation.Sum(u => u.Jobs));
        var ruby = measured.Utilisation[1];
        Assert.Equal(4 * ruby.Jobs, ruby.Busy.TotalSeconds, 1e-6);
        Assert.Equal(ruby.Busy / measured.Makespan, ruby.Utilisation, 1e-6);
    }

    [Fact]
    public async Task Jobs_that_no_builder_may_take_are_counted_and_there_is_no_ratio()
    {
        var measured = await MeasureAsync([Job("a"), Job("alien") with { System = Arm }, Job("above", 1)], [Local()], [1, 1, 1]);

        Assert.Equal((1, 2), (measured.Jobs, measured.NotBuilt));
        Assert.Null(measured.Ratio);
        Assert.Equal(["a"], measured.CriticalPath.Select(step => step.Name));
    }

    [Fact]
    public async Task An_empty_graph_takes_no_time()
    {
        var measured = await MeasureAsync([], [Local()], []);

        Assert.Equal(TimeSpan.Zero, measured.Makespan);
        Assert.Null(measured.Ratio);
        Assert.Empty(measured.CriticalPath);
    }

    [Fact]
    public async Task Durations_beyond_all_calendars_are_measured_too()
    {
        var jobs = Enumerable.Range(0, 4).Select(i => i == 0 ? Job("j0") : Job($"j{i}", i - 1)).ToArray();

        var measured = await MeasureAsync(jobs, [Local(speed: 1e-9)], [1e9, 1e9, 1e9, 1e9]);

        Assert.Equal(TimeSpan.MaxValue, measured.Makespan);
    }

    [Fact]
    public async Task A_simulation_stops_when_it_is_told_to()
    {
        using var stop = new CancellationTokenSource();
        var scenario = new Scenario
        {
            Graph = new JobGraph([.. Enumerable.Range(0, 1000).Select(i => i == 0 ? Job("j0") : Job($"j{i}", i - 1))]),
            Durations = new GraphDurations([.. Enumerable.Repeat(1.0, 1000)], new long[1000]),
            Farm = [Local()],
        };

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => scenario.PlayAsync(new StopAt(10, stop), stop.Token));
    }

    private sealed class StopAt(int count, CancellationTokenSource stop) : IProgress<int>
    {
        public void Report(int value)
        {
            Assert.InRange(value, 1, count);
            if (value == count) stop.Cancel();
        }
    }
}
