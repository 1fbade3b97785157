using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Deciding;
using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Supplying;

namespace NixBuildFarm.Core.Tests.Deciding;

/// <summary>All builders are away for a while: the network, or this machine was asleep.</summary>
public sealed class AbsenceTests
{
    private const double TenMinutes = 600;

    private readonly GivenWork farm = new("ruby", "kana");

    public static TheoryData<int> Seeds => [.. Enumerable.Range(0, 200)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void A_network_that_is_away_for_ten_minutes_costs_time_and_no_derivation(int seed)
    {
        var world = new World(seed, away: TenMinutes * new Random(seed).NextDouble());

        world.Play();

        Assert.All(world.Run.Results, result => Assert.Equal(NixBuildStatus.Built, result.Status));
        Assert.Equal(world.Run.Jobs.Count, world.Run.Results.Count);
        // Half a minute after its return at the latest all go on, and the longest build is a minute.
        Assert.InRange(world.Run.Now, 0, world.Back + 31 + 60 * world.Run.Jobs.Count);
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void A_network_that_goes_away_again_and_again_costs_no_derivation_either(int seed)
    {
        var world = new World(seed, away: 20, times: 8);

        world.Play();

        Assert.Equal([], world.Run.Results.Where(result => result.Status != NixBuildStatus.Built).Select(result => result.Error));
    }

    [Fact]
    public void A_derivation_that_takes_its_builder_down_is_given_up_though_the_others_were_lost_before()
    {
        var run = DecidedRun.Begin(farm, farm.Derivation("top"), ["ruby", "kana"]);
        var builder = Assert.Single(run.Started).On.Name;
        var other = run.First.OfType<RunAction.Watch>().Select(watch => watch.On).Single(on => !on.IsLocal && on.Name != builder);
        run.Apply(new RunEvent.BuilderSilent(other, Gone(other.Name)));
        for (var tries = 1; tries <= 3; tries++)
        {
            run.Now += 61;
            Assert.Equal(tries, run.Started.Count);
            run.Apply(new RunEvent.BuildBegan(run.Started[^1], 10, null));
            var lost = run.Apply(new RunEvent.BuilderSilent(run.Started[^1].On, Gone(builder)));
            var connect = lost.OfType<RunAction.Connect>().SingleOrDefault();
            if (connect is not null) run.Apply(new RunEvent.BuilderConnected(connect.Connection, run.Connect(builder), []));
        }

        Assert.Contains("Given up after 3 tries", Assert.Single(run.Results).Error);
    }

    [Fact]
    public void Builders_that_stay_away_are_given_up_when_their_time_is_over_and_not_before()
    {
        var world = new World(seed: 1, away: double.PositiveInfinity);

        world.Play();

        Assert.InRange(world.Run.Now, world.AwaySince + 900, world.AwaySince + 960);
        Assert.Contains(world.Run.Results, result => result.Error?.Contains("No builder is left for it", StringComparison.Ordinal) == true);
        Assert.Contains(world.Run.Warnings, said => said.Contains("ruby or kana is back", StringComparison.Ordinal));
    }

    [Fact]
    public void Where_builds_are_not_to_wait_they_fail_at_once()
    {
        var run = DecidedRun.Begin(farm, farm.Derivation("top"), ["ruby"], rules => rules with { MaxAbsence = TimeSpan.Zero });

        run.Apply(new RunEvent.BuilderSilent(run.Started[0].On, Gone("ruby")));

        Assert.Contains("No builder is left for it", Assert.Single(run.Results).Error);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_build_that_has_ended_while_its_builder_was_cut_off_is_found_there_and_comes_home(bool isGivenUp)
    {
        var run = DecidedRun.Begin(farm, farm.Derivation("top"), ["ruby"]);
        run.GivesUp = isGivenUp;
        var attempt = Assert.Single(run.Started);
        run.Apply(new RunEvent.BuildBegan(attempt, 10, "log"));
        var connect = Assert.Single(run.Apply(new RunEvent.BuilderSilent(attempt.On, Gone("ruby"))).OfType<RunAction.Connect>());
        Assert.Equal("top", Assert.Single(connect.Connection.Had).Name);

        var back = run.Connect("ruby");
        run.Keep(attempt.Job, back);
        var actions = run.Apply(new RunEvent.BuilderConnected(connect.Connection, back, [attempt.Job]));

        run.ComeHome(Assert.Single(actions.OfType<RunAction.BringHome>()).Copy);
        var result = Assert.Single(run.Results);
        Assert.Single(run.Started);
        Assert.Equal((NixBuildStatus.Built, "ruby", "log"), (result.Status, result.Builder, result.LogPath));
        Assert.True(run.Run.IsOver);
    }

    [Fact]
    public void Outputs_come_from_a_builder_that_is_back_where_another_that_built_them_since_cannot_give_them()
    {
        var run = DecidedRun.Begin(farm, farm.Derivation("top"), ["ruby", "kana"]);
        var first = Assert.Single(run.Started);
        var cut = Assert.Single(run.Succeed(first).OfType<RunAction.BringHome>()).Copy;
        var lost = run.Apply(new RunEvent.BuilderSilent(first.On, Gone(first.On.Name)));
        run.Apply(new RunEvent.CopyBackFailed(cut, null, null, new IOException("The connection broke.")));
        var copy = Assert.Single(run.Succeed(run.Started[1]).OfType<RunAction.BringHome>()).Copy;
        var damaged = new DamagedPathException(run.Started[1].On.Name, copy.Outputs[0], new IOException("It is longer."));
        run.Apply(new RunEvent.CopyBackFailed(copy, null, null, damaged, IsPathGone: true));
        var back = run.Connect(first.On.Name);

        var actions = run.Apply(
            new RunEvent.BuilderConnected(lost.OfType<RunAction.Connect>().Single().Connection, back, [first.Job]));

        var again = Assert.Single(actions.OfType<RunAction.BringHome>()).Copy;
        Assert.Same(back, again.Attempt.On);
        run.ComeHome(again);
        Assert.Equal(NixBuildStatus.Built, Assert.Single(run.Results).Status);
        Assert.True(run.Run.IsOver);
    }

    [Fact]
    public void A_copy_that_broke_with_its_builder_fails_no_job_whose_outputs_come_from_it_again()
    {
        var run = DecidedRun.Begin(farm, farm.Derivation("top"), ["ruby"]);
        var attempt = Assert.Single(run.Started);
        var broken = Assert.Single(run.Succeed(attempt).OfType<RunAction.BringHome>()).Copy;
        var connect = run.Apply(new RunEvent.BuilderSilent(attempt.On, Gone("ruby"))).OfType<RunAction.Connect>().Single();
        var back = run.Apply(new RunEvent.BuilderConnected(connect.Connection, run.Connect("ruby"), [attempt.Job]));

        // The news comes late.
        run.Apply(new RunEvent.CopyBackFailed(broken, null, null, new IOException("The connection broke.")));

        Assert.Empty(run.Results);
        Assert.True(attempt.Job.IsComingHome);
        run.ComeHome(Assert.Single(back.OfType<RunAction.BringHome>()).Copy);
        Assert.Equal(NixBuildStatus.Built, Assert.Single(run.Results).Status);
        Assert.True(run.Run.IsOver);
    }

    [Fact]
    public void A_build_that_its_builder_has_not_ended_is_built_again()
    {
        var run = DecidedRun.Begin(farm, farm.Derivation("top"), ["ruby"]);
        run.Apply(new RunEvent.BuildBegan(run.Started[0], 10, null));
        var connect = Assert.Single(run.Apply(new RunEvent.BuilderSilent(run.Started[0].On, Gone("ruby"))).OfType<RunAction.Connect>());

        run.Apply(new RunEvent.BuilderConnected(connect.Connection, run.Connect("ruby"), []));

        Assert.Equal(2, run.Started.Count);
    }

    private static BuilderException Gone(string builder) =>
        new(builder, BuilderFailure.ConnectionLost, $"The connection to {builder} broke.");

    /// <summary>A run of which the network is taken away at some moments. Nothing else goes wrong.</summary>
    private sealed class World
    {
        private readonly Random random;
        private readonly PriorityQueue<RunAction, double> open = new();
        private readonly HashSet<RunBuilder> here = [];
        private readonly double away;
        private int times;
        private double nextAway;

        public World(int seed, double away, int times = 1)
        {
            random = new(seed);
            (this.away, this.times) = (away, times);
            var work = new GivenWork("ruby", "kana") { MaxJobs = random.Next(1, 4) };
            var made = new List<NixBuildFarm.Store.StorePath>();
            for (var i = 0; i < random.Next(4, 12); i++)
            {
                made.Add(work.Derivation($"job{i}", made.Where(_ => random.Next(3) == 0).ToArray()));
            }
            Run = DecidedRun.Begin(
                work,
                work.Derivation("top", made),
                ["ruby", "kana"],
                rules => rules with { CopyBack = random.Next(2) == 0 ? CopyBack.All : CopyBack.Requested, KeepGoing = true });
            Take(Run.First);
            AwaySince = nextAway = 40 * random.NextDouble();
        }

        public DecidedRun Run { get; }

        public double AwaySince { get; }

        public double Back { get; private set; }

        public void Play()
        {
            while (!Run.Run.IsOver)
            {
                var next = open.TryPeek(out _, out var at) ? at : double.PositiveInfinity;
                if (times > 0 && nextAway <= next)
                {
                    times--;
                    Run.Now = Math.Max(Run.Now, nextAway);
                    Back = Run.Now + away;
                    // All are back for a while in between.
                    nextAway = Back + 35;
                    foreach (var attempt in Run.Started.Where(attempt => attempt.IsRunning && random.Next(2) == 0).ToArray())
                    {
                        Take(Run.Apply(new RunEvent.BuildBegan(attempt, 10, null)));
                    }
                    foreach (var builder in here.ToArray())
                    {
                        here.Remove(builder);
                        Take(Run.Apply(new RunEvent.BuilderSilent(builder, Gone(builder.Name))));
                    }
                    continue;
                }
                Assert.True(double.IsFinite(next), "Nothing happens any more.");
                Run.Now = Math.Max(Run.Now, next);
                Take(Answer(open.Dequeue()));
            }
            Run.End();
        }

        private void Take(IEnumerable<RunAction> actions)
        {
            foreach (var action in actions)
            {
                switch (action)
                {
                    case RunAction.StartBuild: open.Enqueue(action, Run.Now + 1 + 59 * random.NextDouble()); break;
                    case RunAction.BringHome: open.Enqueue(action, Run.Now + random.NextDouble()); break;
                    case RunAction.Connect a: open.Enqueue(action, Run.Now + a.After.TotalSeconds + 0.5); break;
                    case RunAction.Probe: open.Enqueue(action, Run.Now); break;
                    case RunAction.Watch a when !a.On.IsLocal: here.Add(a.On); break;
                }
            }
        }

        private IReadOnlyList<RunAction> Answer(RunAction action) => action switch
        {
            RunAction.StartBuild a when !here.Contains(a.Attempt.On) => Run.Tick(),
            RunAction.StartBuild a => Run.Succeed(a.Attempt),
            RunAction.BringHome a when !here.Contains(a.Copy.Attempt.On) =>
                Run.Apply(new RunEvent.CopyBackFailed(a.Copy, null, null, Gone(a.Copy.Attempt.On.Name))),
            RunAction.BringHome a => Run.ComeHome(a.Copy),
            RunAction.Probe a => Run.Apply(new RunEvent.BuilderAnswered(a.On, a.Error, here.Contains(a.On), a.Cause)),
            RunAction.Connect a when Run.Now < Back =>
                Run.Apply(
                    new RunEvent.ConnectFailed(
                        a.Connection, a.Builder, new BuilderException(a.Builder.Name, BuilderFailure.Unreachable, "No route."))),
            RunAction.Connect a => Return(a),
            _ => throw new InvalidOperationException($"{action} was not decided."),
        };

        /// <summary>What a builder had it has still, and some of what it was building it has built.</summary>
        private IReadOnlyList<RunAction> Return(RunAction.Connect connect)
        {
            var back = Run.Connect(connect.Builder.Name);
            var kept = connect.Connection.Had.Where(job => job.Last?.Outcome is not null || random.Next(2) == 0).ToArray();
            foreach (var job in kept) Run.Keep(job, back);
            return Run.Apply(new RunEvent.BuilderConnected(connect.Connection, back, kept));
        }
    }
}
