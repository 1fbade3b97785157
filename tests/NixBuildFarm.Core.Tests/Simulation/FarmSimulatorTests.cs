using NixBuildFarm.Bench;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Playing;
using NixBuildFarm.Simulation;
using static NixBuildFarm.Core.Tests.Scheduling.Given;

namespace NixBuildFarm.Core.Tests.Simulation;

public class FarmSimulatorTests
{
    private static SimulationResult Play(
        Job[] jobs,
        FarmBuilder[] farm,
        double[] seconds,
        long[]? bytes = null,
        SchedulerOptions? options = null,
        SimulationOptions? events = null,
        double[]? believed = null)
    {
        var scheduler = new Scheduler(new JobGraph(jobs), farm, Estimates(jobs, believed ?? seconds), options);
        return new FarmSimulator(scheduler, new GraphDurations(seconds, bytes ?? new long[jobs.Length]), events).Run();
    }

    [Fact]
    public void A_job_takes_its_seconds_divided_by_the_speed_after_the_start()
    {
        var result = Play([Job("a")], [Local(speed: 2)], [10]);

        Assert.Equal(new ScheduledJob(0, 0, 0.05, 5.05, 4), result.Schedule[0]);
        Assert.Equal(5, result.Bound.Seconds, 1e-9);
    }

    [Fact]
    public void Inputs_move_at_the_bandwidth_of_the_builder_before_the_build()
    {
        var remote = Builder("remote", features: "kvm") with { DownloadBandwidth = 1e6, UploadBandwidth = 1e6 };
        var result = Play(
            [Job("input") with { PreferLocal = true }, Job("user", 0) with { RequiredFeatures = ["kvm"] }],
            [Local(), remote],
            [1, 1],
            [3_000_000, 0]);

        Assert.Equal(0.05 + 1 + 3 + 0.05, result.Schedule[1].Start, 1e-6);
        Assert.Equal(3_000_000, result.BytesMoved);
    }

    [Fact]
    public void Inputs_come_from_any_builder_that_has_them_when_nobody_built_them_here()
    {
        var linked = Builder("keeper") with { DownloadBandwidth = 1e6, UploadBandwidth = 1e6 };
        Job[] jobs = [Job("input") with { RequiredFeatures = ["nowhere"] }, Job("user", 0) with { RequiredFeatures = ["kvm"] }];

        var result = Play(jobs, [Local(), linked, linked with
        {
            Name = "user",
            SupportedFeatures = ["kvm"],
        }], [1, 1], [3_000_000, 0], events: new SimulationOptions
        {
            Disturbances = [new SchedulingEvent.JobResolved(5, 0, ExternalOutcome.Available, Builder: 1)],
        });

        Assert.Equal(5 + 3 + 0.05, Assert.Single(result.Schedule).Start, 1e-6);
    }

    [Fact]
    public void A_lonely_parallel_job_gets_the_whole_machine_and_a_crowd_shares_it()
    {
        var moldable = new SchedulerOptions { Moldable = true };
        var parallel = Job("a") with { EnableParallelBuilding = true };

        Assert.Equal(16, Play([parallel], [Local(4)], [10], options: moldable).Schedule[0].Cores);
        Assert.Equal(
            [4, 4, 4, 4],
            Play([parallel, parallel, parallel, parallel], [Local(4)], [10, 10, 10, 10], options: moldable).Schedule.Select(e => e.Cores));
        Assert.Equal(1, Play([Job("serial")], [Local(4)], [10], options: moldable).Schedule[0].Cores);
    }

    [Fact]
    public void A_straggler_is_started_a_second_time_on_an_idle_builder_and_the_first_result_wins()
    {
        Job[] jobs = [Job("late")];
        FarmBuilder[] farm = [Builder("slow", speed: 0.1), Builder("fast", speed: 1) with { Exclude = [] }];
        // The fast builder joins when the slow one has begun.
        var result = Play(jobs, [farm[0]], [100], options: new SchedulerOptions { Hedge = true }, events: new SimulationOptions
        {
            Disturbances = [new SchedulingEvent.BuilderJoined(20, farm[1])],
        });

        Assert.Equal(1, result.Schedule.Single().Builder);
        Assert.Equal(120.05, result.Makespan, 0.1);
    }

    [Fact]
    public void Of_two_tries_that_end_at_one_moment_the_first_counts()
    {
        var graph = new JobGraph([Job("late")]);
        FarmBuilder[] farm = [Builder("slow"), Builder("fast", speed: 2)];
        var scheduler = new Scheduler(
            graph,
            [farm[0]],
            [new Estimate(150, 0.1, 0)],
            new SchedulerOptions { Policy = SchedulingRule.EarliestFinish, Hedge = true, StartOverhead = 0 });

        var result = new FarmSimulator(
            scheduler,
            new GraphDurations([100], [0]),
            new SimulationOptions { Disturbances = [new SchedulingEvent.BuilderJoined(50, farm[1])] })
            .Run();

        Assert.Equal((0, 100), (result.Schedule.Single().Builder, result.Makespan));
        Assert.Equal(0, result.NotDone);
    }

    [Fact]
    public void Without_hedging_the_straggler_runs_to_its_end()
    {
        var result = Play([Job("late")], [Builder("slow", speed: 0.1)], [100], events: new SimulationOptions
        {
            Disturbances = [new SchedulingEvent.BuilderJoined(20, Builder("fast"))],
        });

        Assert.Equal(1000.05, result.Makespan, 1e-6);
    }

    [Fact]
    public void Jobs_that_could_go_elsewhere_do_not_crowd_out_those_that_must_stay_local()
    {
        var small = Enumerable.Range(0, 40).Select(i => Job($"small{i}") with { PreferLocal = true }).ToArray();
        var large = Enumerable.Range(0, 8).Select(i => Job($"large{i}")).ToArray();
        double[] seconds = [.. small.Select(_ => 2.0), .. large.Select(_ => 40.0)];

        var result = Play(
            [.. small, .. large],
            [Local(2), Builder("a", 2), Builder("b", 2)],
            seconds,
            options: new SchedulerOptions { Policy = SchedulingRule.EarliestFinish });

        Assert.InRange(result.Ratio, 1, 1.25);
    }

    [Fact]
    public void A_wide_graph_sends_builders_at_most_half_of_the_bytes_of_stock_Nix()
    {
        // Each of 4 in the middle needs 4 of the 16 below it.
        Job[] jobs =
        [
            .. Enumerable.Range(0, 16).Select(i => Job($"leaf{i}")),
            .. Enumerable.Range(0, 4).Select(m => Job($"middle{m}", m, m + 4, m + 8, m + 12)),
            Job("top", 16, 17, 18, 19),
        ];
        var graph = new JobGraph(jobs);
        FarmBuilder[] farm =
        [
            Local(slots: 0),
            .. new[] { Builder("aquamarine", 3), Builder("kana", 2), Builder("ruby", 2) }.Select(
                b => b with { DownloadBandwidth = 1e8, UploadBandwidth = 1e8 }),
        ];
        // No two take equally long, and all less than a guess says.
        var truth = new GraphDurations([.. jobs.Select((_, i) => 0.8 + i * 7 % 10 * 0.02)], [.. jobs.Select(_ => 50_000_000L)]);

        var (ours, stock) = (Play(SchedulingRule.Portfolio), Play(SchedulingRule.StockNix));

        // The simulator brings every output home in any case.
        Assert.InRange(ours.BytesMoved - truth.OutputBytes.Sum(), 0, (stock.BytesMoved - truth.OutputBytes.Sum()) / 2);
        Assert.InRange(ours.Makespan, 0, stock.Makespan);

        SimulationResult Play(SchedulingRule policy)
        {
            var estimates = SimulatedEstimates.Make(EstimateKind.Priors, graph, farm, truth);
            var scheduler = new Scheduler(graph, estimates.Farm, estimates.Current, new SchedulerOptions { Policy = policy });
            return new FarmSimulator(scheduler, truth, new SimulationOptions { Estimates = estimates }).Run();
        }
    }

    [Fact]
    public void A_lost_builder_costs_what_was_only_there()
    {
        var result = Play(
            [Job("a") with { RequiredFeatures = ["kvm"] }, Job("b", 0)],
            [Builder("first", 1, 1, "kvm"), Builder("second", 1, 0.5, "kvm")],
            [10, 100],
            events: new SimulationOptions { Disturbances = [new SchedulingEvent.BuilderLost(20, 0)] });

        Assert.Equal([(0, 1), (1, 1)], result.Schedule.Select(e => (e.Job, e.Builder)));
        Assert.Equal(20 + 0.05 + 20 + 0.05 + 200, result.Makespan, 0.01);
    }

    [Fact]
    public void A_job_that_nobody_may_take_is_not_done_and_the_run_ends()
    {
        var result = Play([Job("a") with { System = Arm }, Job("b")], [Local()], [1, 1]);

        Assert.Equal(1, result.NotDone);
        Assert.Equal(1, result.Schedule.Single().Job);
    }

    [Fact]
    public void A_checker_that_is_lied_to_notices()
    {
        var graph = new JobGraph([Job("a"), Job("b", 0) with { System = Arm }]);
        var truth = new GraphDurations([1, 1], [0, 0]);
        const string schedule = """
            {"job":0,"machine":"local","start":0,"end":1,"cores":4}
            {"job":1,"machine":"local","start":0.5,"end":2.5,"cores":4}
            """;

        var problems = ScheduleChecker.Check(schedule, graph, [Local() with { Systems = [new(X86, 1), new(Arm, 1)] }], truth);

        Assert.Equal(
            ["job 1 began before 0 ended", "job 1 took 2, not 1", "local runs 2 jobs at 0.5", "local uses 8 cores at 0.5"], problems);
    }

    [Fact]
    public void A_generated_graph_is_the_same_for_the_same_seed_and_has_the_shape_of_nixpkgs()
    {
        var (graph, durations) = GraphGenerator.Make(2000, [X86, Arm], 7);
        var (again, _) = GraphGenerator.Make(2000, [X86, Arm], 7);

        Assert.Equal(2000, graph.Count);
        Assert.Equal(Edges(graph), Edges(again));
        var sorted = durations.Seconds.OrderDescending().ToArray();
        Assert.InRange(sorted.Take(20).Sum() / sorted.Sum(), 0.2, 0.8);
        Assert.InRange(Edges(graph) / 2000.0, 1.5, 8);
    }

    private static int Edges(JobGraph graph) => Enumerable.Range(0, graph.Count).Sum(job => graph.DependenciesOf(job).Length);
}
