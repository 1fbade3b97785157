using Microsoft.Extensions.Time.Testing;
using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Core.Tests.Running;
using NixBuildFarm.Deciding;
using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Protocol;
using NixBuildFarm.Sessions;
using NixBuildFarm.Store;

namespace NixBuildFarm.Core.Tests.Deciding;

/// <summary>Runs in which anything may fail, in any order. What the run decides is answered at random.</summary>
public class RandomRunTests
{
    private const int FaultsOfARun = 25;
    private const int LongestRun = 3000;
    private static readonly string[] Names = ["ruby", "kana", "opal"];

    public static TheoryData<int> Seeds => [.. Enumerable.Range(0, 20)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public async Task Every_job_ends_once_and_every_run_ends(int seed)
    {
        for (var i = 0; i < 5; i++) await new World((seed * 5) + i).PlayAsync();
    }

    private sealed class World(int seed)
    {
        private readonly Random random = new(seed);
        private readonly FakeTimeProvider time = new();
        private readonly List<RunAction> open = [];
        private readonly HashSet<BuilderSession> gone = [];
        private int faults = FaultsOfARun;
        private bool hasStopped;

        public async Task PlayAsync()
        {
            using var farm = new FakeFarm(Names);
            CopyBack copyBack = random.Next(3) switch { 0 => CopyBack.All, 1 => CopyBack.Requested, _ => CopyBack.None };
            await using var run = await DecidedRun.BeginAsync(
                farm, Graph(farm), Names, request => request with { KeepGoing = random.Next(2) == 0, MaxAttempts = random.Next(1, 6), CopyBack = copyBack, IsCopyBackGiven = true }, time: time);
            Take(run.First);
            for (var step = 0; !run.Run.IsOver && !hasStopped; step++)
            {
                Assert.True(step < LongestRun, $"World {seed} does not end: {string.Join(", ", run.Jobs.Where(job => !job.HasEnded).Select(job => job.Name))}");
                time.Advance(TimeSpan.FromSeconds(random.NextDouble()));
                var next = open.Count > 0 ? open[random.Next(open.Count)] : null;
                var actions = next is null ? run.Tick() : await AnswerAsync(run, farm, next);
                Assert.All(actions.OfType<RunAction.StartBuild>(), start => Assert.True(run.CanSupply(start.Attempt.Job), $"World {seed} builds {start.Attempt.Job.Name} without inputs."));
                Take(actions);
                Assert.All(run.Started.Where(attempt => attempt.IsRunning).GroupBy(attempt => attempt.Builder), running => Assert.InRange(running.Count(), 0, 2));
                Assert.DoesNotContain(run.Started, attempt => attempt.IsRunning && gone.Contains(attempt.Session));
            }
            var known = run.Started.Count;
            run.Run.End();
            foreach (var late in open.OfType<RunAction.StartBuild>()) run.Run.Apply(new RunEvent.AttemptReleased(late.Attempt));

            Assert.Equal(run.Jobs.Select(job => job.Name).Order(), farm.Results.Select(result => result.Name).Order());
            Assert.Equal(known, run.Started.Count);
            if (!hasStopped) Assert.DoesNotContain(farm.Results, result => result.Status == NixBuildStatus.Cancelled);
        }

        private StorePath Graph(FakeFarm farm)
        {
            var made = new List<StorePath>();
            for (var i = 0; i < random.Next(3, 15); i++)
            {
                var inputs = made.Where(_ => random.Next(3) == 0).ToArray();
                made.Add(farm.Derivation($"job{i}", inputs));
            }
            return farm.Derivation("top", made);
        }

        private void Take(IEnumerable<RunAction> actions)
        {
            foreach (var action in actions)
            {
                Assert.False(hasStopped && action is RunAction.StartBuild or RunAction.Prefetch, $"World {seed} goes on after its end: {action}");
                if (action is RunAction.StopRun) hasStopped = true;
                if (action is RunAction.Disconnect disconnect) gone.Add(disconnect.Session);
                if (action is not (RunAction.StopBuild or RunAction.Disconnect or RunAction.WakeQuarantined or RunAction.StopRun)) open.Add(action);
            }
        }

        private async Task<IReadOnlyList<RunAction>> AnswerAsync(DecidedRun run, FakeFarm farm, RunAction action)
        {
            // A heartbeat goes on until its builder falls silent.
            if (action is not RunAction.Watch) open.Remove(action);
            return action switch
            {
                RunAction.StartBuild a => End(run, a.Attempt),
                RunAction.Prefetch a => run.Apply(new RunEvent.InputsArrived(a.Job, a.Builder)),
                RunAction.BringHome a when gone.Contains(a.Copy.Attempt.Session) || Fails(4) => Fail(run, a.Copy),
                RunAction.BringHome a => run.ComeHome(a.Copy),
                RunAction.Connect a when Fails(2) => run.Apply(new RunEvent.ConnectFailed(a.Connection, a.Builder, Gone(a.Builder.Name))),
                RunAction.Connect a => await ConnectAsync(run, farm, a),
                RunAction.Watch a when !a.Session.Builder.IsLocal && Fails(20) => run.Apply(new RunEvent.BuilderSilent(a.Session, Gone(a.Session.Builder.Name))),
                RunAction.Watch => [],
                RunAction.Probe a => run.Apply(new RunEvent.BuilderAnswered(a.Session, a.Error, !gone.Contains(a.Session) && random.Next(2) == 0, a.Cause)),
                RunAction.Pause a => run.Apply(new RunEvent.PauseOver(a.Session, a.IsAwaited)),
                _ => throw new InvalidOperationException($"World {seed} does not know {action}."),
            };
        }

        private IReadOnlyList<RunAction> End(DecidedRun run, Attempt attempt)
        {
            if (gone.Contains(attempt.Session)) return run.Apply(new RunEvent.AttemptFailed(attempt, Gone(attempt.Session.Builder.Name)));
            if (!Fails(4)) return run.Succeed(attempt);
            return random.Next(6) switch
            {
                0 => run.End(attempt, BuildStatus.PermanentFailure),
                1 or 2 => run.End(attempt, BuildStatus.TransientFailure),
                3 => run.Apply(new RunEvent.AttemptFailed(attempt, Gone(Names[random.Next(Names.Length)]))),
                4 => run.Apply(new RunEvent.AttemptFailed(attempt, new IOException("The disk is full."))),
                _ => run.Apply(new RunEvent.AttemptFailed(attempt, Gone(attempt.Session.Builder.Name))),
            };
        }

        private IReadOnlyList<RunAction> Fail(DecidedRun run, CopyHome copy) => run.Apply(
            new RunEvent.CopyBackFailed(copy, null, null, random.Next(3) == 0 ? new IOException("The disk is full.") : Gone(copy.Attempt.Session.Builder.Name)));

        private async Task<IReadOnlyList<RunAction>> ConnectAsync(DecidedRun run, FakeFarm farm, RunAction.Connect connect)
        {
            var session = await run.ConnectAsync(farm[connect.Builder.Name]);
            var kept = connect.Connection.Had.Where(_ => random.Next(2) == 0).ToArray();
            foreach (var job in kept) run.Keep(job, session);
            return run.Apply(new RunEvent.BuilderConnected(connect.Connection, session, kept));
        }

        private bool Fails(int oneIn)
        {
            if (faults == 0 || random.Next(oneIn) > 0) return false;
            faults--;
            return true;
        }

        private static BuilderException Gone(string builder) => new(builder, BuilderFailure.ConnectionLost, $"The connection to {builder} broke.");
    }
}
