using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Lending;
using static NixBuildFarm.Core.Tests.Scheduling.Given;

namespace NixBuildFarm.Core.Tests.Scheduling.Lending;

/// <summary>What holds in every run, whatever happens in whichever order.</summary>
public class LendingPropertyTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void However_asks_ends_failures_and_losses_interleave_every_compile_ends_once_and_no_builder_has_more_than_its_places(int part)
    {
        var (lends, delays, losses) = (0, 0, 0);
        for (var seed = part * 200; seed < (part + 1) * 200; seed++)
        {
            var world = new LendingWorld(seed);
            world.Run(steps: 120);
            world.Settle();
            lends += world.Lends;
            delays += world.Delays;
            losses += world.Losses;
        }
        // The worlds do what they are there for.
        Assert.True(
            lends > 1000 && delays > 20 && losses > 50,
            $"{lends} loans, {delays} builds that had to wait, {losses} helpers lost with loans");
    }

    /// <summary>A farm on which jobs and compiles come and go by chance, and everything that is decided is checked.</summary>
    private sealed class LendingWorld
    {
        private readonly Random random;
        private readonly int seed;
        private readonly Scheduler scheduler;
        private readonly CompileLending lending;
        private readonly List<FarmBuilder> farm;
        private readonly Dictionary<long, CompileState> compiles = [];
        private readonly Dictionary<long, (int Job, int Home, int HomePlaces)> open = [];
        private readonly List<(long Build, int Helper)> preparing = [];
        private readonly HashSet<(int Job, int Builder)> running = [];
        private readonly Dictionary<(int Job, int Builder), HashSet<long>> heldUpBy = [];
        private readonly HashSet<int> shrunk = [];
        private double now;
        private long numbers;

        public LendingWorld(int seed)
        {
            this.seed = seed;
            random = new Random(seed);
            farm = [.. Enumerable.Range(0, 2 + random.Next(4)).Select(Make)];
            var jobs = Enumerable.Range(0, 3 + random.Next(15))
                .Select(j => Job($"j{j}", [.. Enumerable.Range(0, j).Where(_ => random.Next(Math.Max(2, j)) == 0)])
                with { EnableParallelBuilding = random.Next(2) == 0 }).ToArray();
            var estimates = jobs.Select(_ => new Estimate(60 + random.Next(500), random.NextDouble(), 0) { Compiles = new(0.7, 2) })
                .ToArray();
            var options = new SchedulerOptions
            {
                Policy = SchedulingRule.EarliestFinish, Share = ShareMode.Always, Moldable = random.Next(2) == 0,
                Hedge = random.Next(2) == 0,
            };
            scheduler = new Scheduler(new JobGraph(jobs), farm, estimates, options);
            lending = new CompileLending(scheduler);
        }

        private enum Where
        {
            Waiting,
            AtHome,
            Lent,
            Ended,
        }

        public int Lends { get; private set; }

        public int Delays { get; private set; }

        public int Losses { get; private set; }

        public void Run(int steps)
        {
            Decide();
            for (var step = 0; step < steps; step++)
            {
                now += random.NextDouble() * 20;
                Happen();
                if (random.Next(3) > 0) Decide();
            }
        }

        /// <summary>Nothing new comes, and what runs ends.</summary>
        public void Settle()
        {
            Decide();
            for (var round = 0; compiles.Values.Any(compile => compile.Where != Where.Ended); round++)
            {
                Assert.True(round < 2000, $"seed {seed}: compiles wait for ever");
                now++;
                foreach (var (number, compile) in compiles.ToArray())
                {
                    if (compile.Where == Where.AtHome) EndAtHome(number);
                    if (compile.Where == Where.Lent) EndLoan(number, LoanEnd.Delivered);
                }
                Decide();
            }
            Assert.Equal(0, lending.Loans);
            Assert.All(Enumerable.Range(0, farm.Count), b => Assert.Equal(0, lending.LentBy(b)));
            Assert.Empty(heldUpBy);
        }

        private FarmBuilder Make(int index) =>
            Builder($"b{index}", 1 + random.Next(4), Math.Round(0.2 + random.NextDouble() * 2, 2)) with { Cores = random.Next(3) * 4 };

        private void Happen()
        {
            switch (random.Next(22))
            {
                case < 7 when Any(open.Keys.ToArray()) is var build and > 0:
                    for (var i = random.Next(6); i >= 0; i--)
                    {
                        compiles.Add(++numbers, new CompileState(build));
                        lending.Apply(new LendingEvent.CompileAsked(now, build, numbers, MayLeave: random.Next(8) > 0));
                    }
                    break;
                case < 11:
                    if (Any([.. compiles.Where(c => c.Value.Where == Where.Lent).Select(c => c.Key)]) is var lent and > 0)
                    {
                        EndLoan(lent, (LoanEnd)random.Next(3));
                    }
                    break;
                case < 14:
                    if (Any([.. compiles.Where(c => c.Value.Where == Where.AtHome).Select(c => c.Key)]) is var atHome and > 0)
                    {
                        EndAtHome(atHome);
                    }
                    break;
                case 14:
                    if (Any([.. compiles.Where(c => c.Value.Where != Where.Ended).Select(c => c.Key)]) is var gone and > 0) Abandon(gone);
                    break;
                case 15: Answer(); break;
                case 16 or 17: EndJob(); break;
                case 18: Lose(); break;
                case 19: Return(); break;
                case 20: Drain(); break;
                default: Repeat(); break;
            }
        }

        private long Any(long[] numbers) => numbers.Length == 0 ? 0 : numbers[random.Next(numbers.Length)];

        private void EndAtHome(long number)
        {
            compiles[number].End(seed);
            lending.Apply(new LendingEvent.CompileEnded(now, number));
        }

        private void EndLoan(long number, LoanEnd end)
        {
            var compile = compiles[number];
            lending.Apply(new LendingEvent.LoanEnded(now, number, compile.Helper, end));
            if (end == LoanEnd.Delivered) compile.End(seed);
            else compile.Where = Where.Waiting;
            BackFromLoan(number);
        }

        /// <summary>Its shim is gone.</summary>
        private void Abandon(long number)
        {
            if (compiles[number].Where == Where.Lent) BackFromLoan(number);
            compiles[number].End(seed);
            lending.Apply(new LendingEvent.CompileEnded(now, number));
        }

        private void Answer()
        {
            if (preparing.Count == 0) return;
            var (build, helper) = preparing[random.Next(preparing.Count)];
            preparing.Remove((build, helper));
            lending.Apply(
                random.Next(6) == 0 ? new LendingEvent.HelperUnfit(now, build, helper) : new LendingEvent.HelperReady(now, build, helper));
        }

        private void EndJob()
        {
            if (running.Count == 0) return;
            var (job, builder) = running.ElementAt(random.Next(running.Count));
            // One that is held up has not begun: it can fail, when its inputs do not come.
            if (random.Next(4) == 0 || heldUpBy.ContainsKey((job, builder)))
            {
                scheduler.Apply(new SchedulingEvent.JobFailed(now, job, builder, FailureKind.Retry));
            }
            else scheduler.Apply(new SchedulingEvent.JobFinished(now, job, builder, 0));
            JobsGone();
        }

        private void Lose()
        {
            var online = Enumerable.Range(0, farm.Count).Where(b => scheduler.StatusOf(b) != BuilderStatus.Lost).ToArray();
            if (online.Length < 2) return;
            var lost = online[random.Next(online.Length)];
            scheduler.Apply(new SchedulingEvent.BuilderLost(now, lost));
            foreach (var (number, compile) in compiles)
            {
                if (compile.Where != Where.Lent || compile.Helper != lost) continue;
                Losses++;
                compile.Where = Where.Waiting;
                BackFromLoan(number);
            }
            JobsGone();
            Decide();
        }

        private void Return()
        {
            var away = Enumerable.Range(0, farm.Count).Where(b => scheduler.StatusOf(b) != BuilderStatus.Online).ToArray();
            if (away.Length == 0) return;
            var back = away[random.Next(away.Length)];
            if (scheduler.StatusOf(back) == BuilderStatus.Draining && lending.LentBy(back) > 0) shrunk.Add(back);
            farm[back] = Make(back);
            scheduler.Apply(new SchedulingEvent.BuilderJoined(now, farm[back]));
        }

        private void Drain()
        {
            var online = Enumerable.Range(0, farm.Count).Where(b => scheduler.StatusOf(b) == BuilderStatus.Online).ToArray();
            if (online.Length > 1) scheduler.Apply(new SchedulingEvent.BuilderDrained(now, online[random.Next(online.Length)]));
        }

        /// <summary>Tells once more of something that is over.</summary>
        private void Repeat()
        {
            if (Any([.. compiles.Where(c => c.Value is { Where: Where.Ended }).Select(c => c.Key)]) is not (> 0 and var number)) return;
            lending.Apply(
                random.Next(2) == 0
                    ? new LendingEvent.CompileEnded(now, number)
                    : new LendingEvent.LoanEnded(now, number, random.Next(farm.Count), LoanEnd.Failed));
        }

        /// <summary>Jobs that run no more take their shared builds with them.</summary>
        private void JobsGone()
        {
            running.RemoveWhere(attempt => !scheduler.Runs(attempt.Job, attempt.Builder));
            foreach (var key in heldUpBy.Keys.Where(key => !running.Contains(key)).ToArray()) heldUpBy.Remove(key);
            foreach (var (build, (job, home, _)) in open.ToArray())
            {
                if (running.Contains((job, home))) continue;
                open.Remove(build);
                if (random.Next(2) == 0) lending.Apply(new LendingEvent.BuildClosed(now, build));
                foreach (var (number, compile) in compiles.Where(c => c.Value.Build == build && c.Value.Where != Where.Ended))
                {
                    if (compile.Where == Where.Lent) BackFromLoan(number);
                    compile.End(seed);
                }
            }
        }

        private void BackFromLoan(long number)
        {
            foreach (var loans in heldUpBy.Values) loans.Remove(number);
        }

        private void Decide()
        {
            foreach (var decision in scheduler.Decide(now))
            {
                switch (decision)
                {
                    case SchedulingDecision.Start d: Start(d.Job, d.Builder, d.Cores); break;
                    case SchedulingDecision.Hedge d: Start(d.Job, d.Builder, d.Cores); break;
                    case SchedulingDecision.Cancel: JobsGone(); break;
                }
            }
            foreach (var decision in lending.Decide()) Carry(decision);
            CheckCapacity();
            // Whoever was held up by compiles that have all ended has begun.
            Assert.DoesNotContain(heldUpBy, held => held.Value.Count == 0);
        }

        private void Start(int job, int builder, int cores)
        {
            running.Add((job, builder));
            if (!lending.Claim(job, builder))
            {
                Delays++;
                heldUpBy[(job, builder)] =
                [
                    .. compiles.Where(c => c.Value.Where == Where.Lent && c.Value.Helper == builder).Select(c => c.Key),
                ];
            }
            if (!lending.MayBeHelped(job, builder)) return;
            open.Add(++numbers, (job, builder, cores));
            lending.Apply(new LendingEvent.BuildOpened(now, numbers, job, builder, cores, lending.CoresToTell(job, builder, cores)));
        }

        private void Carry(LendingDecision decision)
        {
            switch (decision)
            {
                case LendingDecision.Prepare d:
                    Assert.NotEqual(open[d.Build].Home, d.Helper);
                    Assert.Equal(BuilderStatus.Online, scheduler.StatusOf(d.Helper));
                    if (random.Next(2) == 0) lending.Apply(new LendingEvent.HelperReady(now, d.Build, d.Helper));
                    else preparing.Add((d.Build, d.Helper));
                    break;
                case LendingDecision.Home d:
                    Assert.Equal(Where.Waiting, compiles[d.Compile].Where);
                    compiles[d.Compile].Where = Where.AtHome;
                    break;
                case LendingDecision.Lend d:
                    Lends++;
                    Assert.Equal(Where.Waiting, compiles[d.Compile].Where);
                    Assert.False(compiles[d.Compile].WasLent, "A compile is lent once.");
                    Assert.Equal(BuilderStatus.Online, scheduler.StatusOf(d.Helper));
                    (compiles[d.Compile].Where, compiles[d.Compile].Helper, compiles[d.Compile].WasLent) = (Where.Lent, d.Helper, true);
                    CheckRoom(d.Helper, running.Where(attempt => attempt.Builder == d.Helper));
                    break;
                case LendingDecision.Recall d:
                    Assert.Equal(Where.Ended, compiles[d.Compile].Where);
                    break;
                case LendingDecision.Begin d:
                    Assert.True(heldUpBy.Remove((d.Job, d.Builder)), "Only a build that waits is told to begin.");
                    break;
            }
        }

        private void CheckCapacity()
        {
            for (var b = 0; b < farm.Count; b++)
            {
                if (lending.LentBy(b) == 0) shrunk.Remove(b);
                Assert.Equal(compiles.Values.Count(c => c.Where == Where.Lent && c.Helper == b), lending.LentBy(b));
                if (!shrunk.Contains(b) && scheduler.StatusOf(b) == BuilderStatus.Online)
                {
                    CheckRoom(b, running.Where(attempt => attempt.Builder == b && !heldUpBy.ContainsKey(attempt)));
                }
            }
            foreach (var (build, (_, _, homePlaces)) in open)
            {
                Assert.InRange(compiles.Values.Count(c => c.Where == Where.AtHome && c.Build == build), 0, homePlaces);
            }
        }

        /// <summary>Compiles fit in beside jobs: in slots, of which each has its part of the cores, and in cores.</summary>
        private void CheckRoom(int b, IEnumerable<(int Job, int Builder)> jobs)
        {
            var cores = jobs.Sum(attempt => scheduler.State.Builders[b].Slots.First(slot => slot.Job == attempt.Job).Cores);
            var places = Math.Min(
                (farm[b].MaxJobs - jobs.Count()) * Math.Max(1, farm[b].Cores / farm[b].MaxJobs), farm[b].TotalCores - cores);
            Assert.True(
                lending.LentBy(b) <= Math.Max(0, places),
                $"seed {seed}: {lending.LentBy(b)} compiles on {farm[b].Name}, which has {places} places beside its jobs");
        }

        private sealed class CompileState(long build)
        {
            public long Build => build;

            public Where Where { get; set; }

            public int Helper { get; set; } = -1;

            public bool WasLent { get; set; }

            public void End(int seed)
            {
                Assert.True(Where != Where.Ended, $"seed {seed}: a compile ends twice");
                Where = Where.Ended;
            }
        }
    }
}
