using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Playing;

namespace NixBuildFarm.Core.Tests.Simulation;

/// <summary>Graphs that join a run piece by piece.</summary>
public class GrowingGraphTests
{
    public static TheoryData<int> Seeds => [.. Enumerable.Range(0, 200)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Pieces_that_join_at_the_beginning_are_scheduled_as_the_whole(int seed)
    {
        var world = new RandomWorld(seed);
        var options = world.Options();
        var whole = Play(world, options, [], world.Graph.Count);

        var grown = Grow(world, options, world.Random);

        Assert.Equal(RandomWorld.Lines(whole), RandomWorld.Lines(grown));
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Pieces_that_join_at_any_time_are_all_built(int seed)
    {
        var world = new RandomWorld(seed);
        var options = world.Options() with { Hedge = false };
        var whole = Play(world, options, [], world.Graph.Count);
        var (first, joining) = Pieces(world, () => whole.Makespan * world.Random.NextDouble());

        var grown = Play(world, options, joining, first);

        Assert.Equal(whole.Schedule.Select(entry => entry.Job).Order(), grown.Schedule.Select(entry => entry.Job).Order());
        Assert.Empty(ScheduleChecker.Check(RandomWorld.Lines(grown), world.Graph, world.Farm, world.Truth, options.Moldable));
        // Who begins when the last piece is known, and builds all of it then, ends no earlier.
        Assert.InRange(grown.Makespan, 0, 1.5 * (joining.Select(piece => piece.At).DefaultIfEmpty(0).Max() + whole.Makespan));
    }

    [Fact]
    public void A_graph_of_which_half_is_known_late_takes_a_few_percent_longer_than_the_whole()
    {
        var ratios = Enumerable.Range(0, 200).Select(seed =>
        {
            var world = new RandomWorld(seed);
            var options = new SchedulerOptions { Moldable = true };
            var whole = Play(world, options, [], world.Graph.Count);
            var (first, joining) = Pieces(world, () => 0.02 * whole.Makespan * world.Random.NextDouble());
            return Play(world, options, joining, first).Makespan / whole.Makespan;
        }).ToArray();

        Assert.InRange(ratios.Average(), 0.95, 1.05);
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void Ranks_of_a_grown_graph_are_those_of_a_whole_one(int seed)
    {
        var world = new RandomWorld(seed);
        var weights = Enumerable.Range(0, world.Graph.Count).Select(_ => world.Random.NextDouble()).ToArray();
        var half = world.Graph.Count / 2;
        var graph = new JobGraph([.. Enumerable.Range(0, half).Select(job => world.Graph[job])]);
        var rank = new UpwardRank(graph, weights.AsSpan(0, half));

        for (var next = half; next < world.Graph.Count;)
        {
            var size = Math.Min(world.Random.Next(1, 8), world.Graph.Count - next);
            graph.Add([.. Enumerable.Range(next, size).Select(job => world.Graph[job])]);
            rank.Add(next, job => weights[job]);
            next += size;
        }
        rank.Update(int.MaxValue, _ => { });

        Assert.Equal(new UpwardRank(world.Graph, weights).All.ToArray(), rank.All.ToArray());
        for (var job = 0; job < graph.Count; job++)
        {
            Assert.Equal(world.Graph.DependentsOf(job).ToArray(), graph.DependentsOf(job).ToArray());
            Assert.Equal(world.Graph.DependenciesOf(job).ToArray(), graph.DependenciesOf(job).ToArray());
        }
    }

    private static SimulationResult Play(RandomWorld world, SchedulerOptions options, IReadOnlyList<SchedulingEvent> joining, int first)
    {
        var graph = new JobGraph([.. Enumerable.Range(0, first).Select(job => world.Graph[job])]);
        var scheduler = new Scheduler(graph, world.Farm, Estimates(world, 0, first), options);
        return new FarmSimulator(scheduler, world.Truth, new SimulationOptions { Disturbances = joining }).Run();
    }

    private static SimulationResult Grow(RandomWorld world, SchedulerOptions options, Random random)
    {
        var (first, joining) = Pieces(world, () => 0);
        var scheduler = new Scheduler(
            new([.. Enumerable.Range(0, first).Select(job => world.Graph[job])]), world.Farm, Estimates(world, 0, first), options);
        foreach (var piece in joining) scheduler.Apply(piece);
        return new FarmSimulator(scheduler, world.Truth).Run();
    }

    /// <summary>Cuts a graph, in which each job comes after what it needs, into pieces.</summary>
    private static (int First, IReadOnlyList<SchedulingEvent> Joining) Pieces(RandomWorld world, Func<double> when)
    {
        var count = world.Graph.Count;
        int[] cuts = [.. Enumerable.Range(0, world.Random.Next(1, 5)).Select(_ => world.Random.Next(count + 1)).Append(count).Order()];
        var times = cuts.Select(_ => when()).Order().ToArray();
        return (cuts[0], [.. cuts.Skip(1).Select((end, i) => new SchedulingEvent.WorkAdded(
            times[i], [.. Enumerable.Range(cuts[i], end - cuts[i]).Select(job => world.Graph[job])], Estimates(world, cuts[i], end), []))]);
    }

    private static Estimate[] Estimates(RandomWorld world, int from, int to) =>
        [.. Enumerable.Range(from, to - from).Select(job => new Estimate(world.Truth.Seconds[job], 0, world.Truth.OutputBytes[job]))];
}
