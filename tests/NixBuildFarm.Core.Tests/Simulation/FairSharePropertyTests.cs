using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Playing;

namespace NixBuildFarm.Core.Tests.Simulation;

/// <summary>Several users on one farm: what each gets, and what it costs all of them together.</summary>
public class FairSharePropertyTests
{
    public static TheoryData<int> Seeds => [.. Enumerable.Range(0, 100)];

    /// <summary>
    /// Users with many jobs each, of any length, who come at any time: once the longest job that was under way when the last of them came
    /// is over, no two of them are more than a slot apart, and no slot is idle, as long as both have work that waits.
    /// </summary>
    [Theory]
    [MemberData(nameof(Seeds))]
    public void Users_have_equal_shares_within_the_length_of_a_job_and_no_slot_is_idle(int seed)
    {
        var random = new Random(seed);
        var (slots, users) = (random.Next(2, 9), random.Next(2, 5));
        var speed = 0.5 + random.NextDouble();
        FarmBuilder[] farm = [.. Enumerable.Range(0, random.Next(1, 4)).Select(b => Builder($"b{b}", slots, speed))];
        Piece[] pieces = [.. Enumerable.Range(0, users).Select(user => Piece.Of(user, user == 0 ? 0 : 100 * random.NextDouble(), random))];

        var result = Play(pieces, farm, new() { Policy = (SchedulingRule)random.Next(4) });

        var owners = pieces.OrderBy(piece => piece.At).SelectMany(piece => piece.Jobs.Select(job => job.Users[0])).ToArray();
        Assert.Equal(owners.Length, result.Schedule.Count);
        var settled = pieces.Max(piece => piece.At) + pieces.Max(piece => piece.Seconds.Max()) / speed + 0.1;
        // Who has no job left that waits has what is left: the last slot was taken a moment before the build in it began.
        var contended = Enumerable.Range(0, users).Min(user => result.Schedule.Where(run => owners[run.Job] == user).Max(TakenAt));
        foreach (var at in result.Schedule.Select(TakenAt).Where(at => at > settled && at < contended))
        {
            var now = at + 1e-6;
            var held = result.Schedule.Where(run => TakenAt(run) <= now && run.End > now).ToArray();
            int[] shares = [.. Enumerable.Range(0, users).Select(user => held.Count(run => owners[run.Job] == user))];
            Assert.Equal(farm.Length * slots, held.Length);
            Assert.InRange(shares.Max() - shares.Min(), 0, 1);
        }

        double TakenAt(ScheduledJob run) => run.Start - new SchedulerOptions().StartOverhead;
    }

    /// <summary>On farms and graphs of any kind, who shares with others is done in time for what there is to do.</summary>
    [Theory]
    [MemberData(nameof(Seeds))]
    public void Everything_is_built_and_nothing_is_built_that_may_not(int seed)
    {
        var (world, shared) = Shared(seed);
        var result = Play(world, shared, world.Options());

        Assert.Equal(0, result.NotDone);
        Assert.Equal(world.Graph.Count, result.Schedule.Count);
    }

    [Fact]
    public void All_users_together_take_hardly_longer_than_one_who_wants_all_of_it()
    {
        var options = new SchedulerOptions { Moldable = true };
        var ratios = Enumerable.Range(0, 200).Select(seed =>
        {
            var (world, shared) = Shared(seed);
            return Play(world, shared, options).Makespan / Play(world, world.Graph, options).Makespan;
        }).ToArray();

        Assert.InRange(ratios.Average(), 0.95, 1.05);
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void A_user_with_little_to_do_does_not_wait_for_those_who_have_much(int seed)
    {
        var random = new Random(seed);
        FarmBuilder[] farm = [Builder("b0", random.Next(2, 9), 1)];
        var large = Piece.Of(0, 0, random);
        var small = new Piece(5, [Job(1)], [20]);

        var result = Play([large, small], farm, new());

        var ended = result.Schedule.Single(run => run.Job == large.Jobs.Count).End;
        Assert.InRange(ended, 25, 5 + large.Seconds.Max() + 20 + 0.2);
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void One_user_is_served_as_if_there_were_no_users(int seed)
    {
        var world = new RandomWorld(seed);
        var options = world.Options();

        Assert.Equal(
            RandomWorld.Lines(Play(world, world.Graph, options)),
            RandomWorld.Lines(Play(world, With(world.Graph, _ => [3]), options)));
    }

    /// <summary>A world whose jobs belong to one user of three, or to several.</summary>
    private static (RandomWorld World, JobGraph Shared) Shared(int seed)
    {
        var world = new RandomWorld(seed);
        return (world, With(world.Graph, _ => world.Random.Next(4) == 0 ? [0, 1] : [world.Random.Next(3)]));
    }

    private static JobGraph With(JobGraph graph, Func<int, int[]> users) =>
        new([.. Enumerable.Range(0, graph.Count).Select(job => graph[job] with { Users = users(job) })]);

    private static SimulationResult Play(RandomWorld world, JobGraph graph, SchedulerOptions options)
    {
        Estimate[] estimates =
            [.. Enumerable.Range(0, graph.Count).Select(job => new Estimate(world.Truth.Seconds[job], 0, world.Truth.OutputBytes[job]))];
        return new FarmSimulator(new Scheduler(graph, world.Farm, estimates, options), world.Truth).Run();
    }

    /// <summary>The first piece is there from the beginning; the jobs of the result are in the order in which the pieces come.</summary>
    private static SimulationResult Play(Piece[] pieces, FarmBuilder[] farm, SchedulerOptions options)
    {
        Piece[] inOrder = [.. pieces.OrderBy(piece => piece.At)];
        double[] seconds = [.. inOrder.SelectMany(piece => piece.Seconds)];
        var scheduler = new Scheduler(new(inOrder[0].Jobs), farm, inOrder[0].Estimates, options);
        return new FarmSimulator(
            scheduler,
            new GraphDurations(seconds, new long[seconds.Length]),
            new SimulationOptions
            {
                Disturbances =
                    [.. inOrder.Skip(1).Select(piece => new SchedulingEvent.WorkAdded(piece.At, piece.Jobs, piece.Estimates, []))],
            })
            .Run();
    }

    private static FarmBuilder Builder(string name, int slots, double speed) =>
        new() { Name = name, Systems = [new("x86_64-linux", speed)], MaxJobs = slots, Cores = slots };

    private static Job Job(int user) => new() { Name = "job", System = "x86_64-linux", Users = [user] };

    /// <summary>What one user wants at a time.</summary>
    private sealed record Piece(double At, IReadOnlyList<Job> Jobs, double[] Seconds)
    {
        public Estimate[] Estimates => [.. Seconds.Select(seconds => new Estimate(seconds, 0, 0))];

        public static Piece Of(int user, double at, Random random)
        {
            double[] seconds = [.. Enumerable.Range(0, random.Next(60, 200)).Select(_ => Math.Exp(4 * random.NextDouble()))];
            return new(at, [.. seconds.Select(_ => Job(user))], seconds);
        }
    }
}
