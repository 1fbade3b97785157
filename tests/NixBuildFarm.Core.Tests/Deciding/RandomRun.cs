using NixBuildFarm.Builders;
using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Deciding;
using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Protocol;
using NixBuildFarm.Store;
using NixBuildFarm.Supplying;

namespace NixBuildFarm.Core.Tests.Deciding;

/// <summary>
/// A run on a small farm in which builds fail, builders are lost and come back, paths are damaged, messages come late and copies fail: all
/// at random, and the same for the same seed.
/// </summary>
internal sealed class RandomRun
{
    private const int LongestRun = 4000, MaxRequests = 4;
    private static readonly string[] Names = ["ruby", "kana", "opal"];

    private readonly Dictionary<int, IReadOnlyList<RunJob>> joined = [];
    private readonly HashSet<int> withdrawn = [];
    private readonly Dictionary<int, (int User, int Priority)> terms = new() { [Requests.First] = default };
    private readonly HashSet<int> ended = [];
    private readonly int seed;
    private readonly Random random, machines, slots, pushes;
    private readonly List<RunAction> open = [];
    private readonly HashSet<RunBuilder> gone = [];
    private readonly HashSet<StorePath> damaged = [];
    private readonly GivenWork work;
    private readonly DecidedRun run;
    private readonly CopyBack copyBack;
    private readonly List<StorePath> made = [];
    private int requests;
    private int faults = 25, slotWaits;
    private bool hasStopped;

    /// <summary>Begins a run.</summary>
    public RandomRun(int seed)
    {
        this.seed = seed;
        (random, machines, slots, pushes) = (new(seed), new(seed + 1), new(~seed), new(seed + 2));
        // A third of the worlds have neighbours.
        slotWaits = seed % 3 == 0 ? 8 : 0;
        work = new(Names) { MaxJobs = random.Next(1, 4) };
        foreach (var name in Names.Where(_ => pushes.Next(3) == 0)) work.Policies[name] = new() { PushItself = true };
        PushTarget[] stores = [PushTarget.Of("s3://cache"), PushTarget.Of("file:///cache")];
        copyBack = random.Next(3) switch { 0 => CopyBack.All, 1 => CopyBack.Requested, _ => CopyBack.None };
        var (late, rests) = (
            random.Next(4) == 0 ? ["amber"] : Array.Empty<string>(), random.Next(4) == 0 ? ["jade"] : Array.Empty<string>());
        string[] on = random.Next(2) == 0 ? Names : [NixBuilder.LocalName, .. Names];
        run = DecidedRun.Begin(
            work,
            Graph(),
            on,
            rules => rules with
            {
                KeepGoing = random.Next(2) == 0,
                MaxAttempts = random.Next(1, 6),
                CopyBack = copyBack,
                PushTo = [.. stores.Where(_ => pushes.Next(3) == 0)],
                CopyTo = pushes.Next(5) == 0 ? [PushTarget.Of(work.Builder("pearl"))] : [],
                Push = pushes.Next(3) == 0 ? PushScope.Requested : null,
                Scheduling = rules.Scheduling with { Hedge = random.Next(2) == 0 },
            },
            late,
            rests);
    }

    /// <summary>Plays it to its end, and sees that it is as it must be.</summary>
    public void Play()
    {
        Take(run.First);
        for (var step = 0; !run.Run.IsOver && !hasStopped; step++)
        {
            Assert.True(
                step < LongestRun,
                $"World {seed} does not end: {string.Join(", ", run.Jobs.Where(job => !job.HasEnded).Select(job => job.Name))}");
            // Now and then long enough for a build to be late.
            run.Now += random.Next(20) == 0 ? 1000 * random.NextDouble() : random.NextDouble();
            if (random.Next(25) == 0) ChangeRequests();
            else Take(Next() is { } next ? Answer(next) : run.Tick());
            if (machines.Next(10) == 0) Take(run.Apply(Reading()));
            Check();
        }
        var started = run.Started.Count;
        foreach (var late in open.OfType<RunAction.StartBuild>().ToArray()) Take(Answer(late));
        Take(run.End());

        Assert.Equal(started, run.Started.Count);
        Assert.Equal(Told.Select(job => job.Name).Order(), run.Results.Select(result => result.Name).Order());
        if (hasStopped) return;
        Assert.All(
            run.Jobs.SelectMany(job => job.Pushes),
            push => Assert.True(push.HasEnded, $"World {seed} forgets to push {push}."));
        Assert.Equal(joined.Keys.Order(), ended.Order());
        Assert.DoesNotContain(run.Jobs, job => job.WantedBy.Count > 0 && job.Result!.Status == NixBuildStatus.Cancelled);
        foreach (
            var job in run.Jobs.Where(job => job.IsRequested && job.Result!.Success && job.LateError is null && copyBack != CopyBack.None))
        {
            Assert.True(
                job.Outputs.All(path => run.HoldersOf(path).Contains(run.Local)),
                $"World {seed} says that {job.Name} is there, and it is not.");
        }
    }

    /// <summary>The jobs of which the user is told.</summary>
    private IEnumerable<RunJob> Told => run.Jobs.Where(job => job.Expansion is null);

    /// <summary>The journal of the run.</summary>
    public IReadOnlyList<string> Journal => run.Journal;

    /// <summary>Some action that is still to be answered; null: nothing happens.</summary>
    private RunAction? Next()
    {
        var pressing = open.Where(action => action is not RunAction.Watch).ToArray();
        if (pressing.Length > 0 && random.Next(8) > 0) return pressing[random.Next(pressing.Length)];
        return open.Count > 0 && random.Next(4) > 0 ? open[random.Next(open.Count)] : null;
    }

    /// <summary>What some machine tells, or that it tells nothing more.</summary>
    private RunEvent.MachineRead Reading() => new(
        run.Farm[machines.Next(run.Farm.Count)],
        machines.Next(4) == 0
            ? null
            : new MachineReading
            {
                Cores = 2,
                Load = 6 * machines.NextDouble(),
                Memory = 1000,
                MemoryAvailable = machines.Next(300),
                StoreFree = machines.NextInt64(3L << 30),
                Builds =
                [
                    .. run.Started.Where(_ => machines.Next(2) == 0).Select(attempt => new MachineBuild
                    {
                        Name = attempt.Job.Name,
                        User = 1,
                        Memory = machines.Next(1000),
                        ProcessorTime = TimeSpan.FromSeconds(machines.Next(100)),
                    }),
                ],
            });

    /// <summary>A request joins, for derivations old and new, or is called off.</summary>
    private void ChangeRequests()
    {
        if (requests < MaxRequests && random.Next(2) == 0)
        {
            if (random.Next(2) == 0) made.Add(work.Derivation($"more{requests}", made.Where(_ => random.Next(4) == 0).ToArray()));
            var (user, priority) = terms[++requests] = (random.Next(3), random.Next(-1, 2));
            Take(run.JoinAs(requests, user, priority, [.. made.Where(_ => random.Next(3) == 0).Append(made[^1]).Distinct()]));
            return;
        }
        var leaving = random.Next(1, MaxRequests + 1);
        var others = run.Started.Where(attempt => attempt.IsRunning && attempt.Job.WantedBy.Keys.Any(request => request != leaving))
            .ToArray();
        withdrawn.Add(leaving);
        Take(run.Apply(new RunEvent.WorkWithdrawn(leaving)));
        Assert.All(others, attempt => Assert.True(attempt.IsRunning));
        Assert.All(run.Jobs.Where(job => job.WantedBy.Count == 0), job => Assert.True(job.HasEnded));
    }

    private StorePath Graph()
    {
        for (var i = 0; i < random.Next(3, 15); i++)
        {
            var inputs = made.Where(_ => random.Next(3) == 0).ToArray();
            if (random.Next(5) == 0)
            {
                var inner = work.Derivation($"inner{i}", made.Where(_ => random.Next(3) == 0).ToArray());
                made.Add(work.UserOf($"job{i}", work.Maker($"maker{i}", inner), inputs));
                // Sometimes others know it beforehand.
                if (random.Next(3) == 0) made.Add(inner);
            }
            else
            {
                made.Add(work.Derivation($"job{i}", inputs, isSubstitution: random.Next(8) == 0));
            }
        }
        made.Add(work.Derivation("top", made));
        return made[^1];
    }

    private void Take(IEnumerable<RunAction> actions)
    {
        foreach (var action in actions)
        {
            Assert.False(
                hasStopped && action is RunAction.StartBuild or RunAction.Prefetch, $"World {seed} goes on after its end: {action}");
            switch (action)
            {
                case RunAction.StartBuild a:
                    Assert.True(
                        run.MissingInputsOf(a.Attempt.Job).All(damaged.Contains),
                        $"World {seed} builds {a.Attempt.Job.Name} without inputs.");
                    break;
                case RunAction.Push a: CheckPush(a.Outputs); break;
                case RunAction.StopRun: hasStopped = true; break;
                case RunAction.Disconnect a: gone.Add(a.On); break;
                case RunAction.Joined { Request: Requests.First }: break;
                case RunAction.Joined a: joined[a.Request] = [.. joined.GetValueOrDefault(a.Request) ?? [], .. a.Jobs]; break;
                case RunAction.Expand a:
                    Assert.True(run.HoldersOf(a.Made).Contains(run.Local), $"World {seed} reads {a.Made}, which is not at home.");
                    break;
                case RunAction.RequestEnded a: EndRequest(a.Request); break;
            }
            // What a build that was called off still says comes all the same.
            if (
                action is not (RunAction.StopBuild or RunAction.Disconnect or RunAction.WakeQuarantined or RunAction.StopRun
                    or RunAction.Joined or RunAction.RequestEnded))
            {
                open.Add(action);
            }
        }
    }

    /// <summary>Nothing is pushed that was not built, and nothing from where it is not.</summary>
    private void CheckPush(Push push)
    {
        Assert.True(push.Job.Last?.Outcome is { Result.Status: BuildStatus.Built }, $"World {seed} pushes {push}, which was not built.");
        if (push.Target.IsMachine) return;
        var from = push.By ?? run.Local;
        Assert.True(
            push.Outputs.All(path => damaged.Contains(path) || run.HoldersOf(path).Contains(from)),
            $"World {seed} pushes {push}, which {from} does not have.");
    }

    private void EndRequest(int request)
    {
        // The run begins with it: nobody waits for its end but for that of the run.
        if (request == Requests.First) return;
        Assert.True(ended.Add(request), $"World {seed} ends request {request} twice.");
        var jobs = joined[request];
        Assert.True(
            withdrawn.Contains(request) || jobs.All(job => job.HasEnded) || jobs.Any(HasFailed),
            $"World {seed} ends request {request} too early.");

        // What was done may fail when it has to be done again.
        static bool HasFailed(RunJob job) => job.Result is { Success: false } || job.LateError is not null;
    }

    private void Check()
    {
        var running = run.Started.Where(attempt => attempt.IsRunning).ToArray();
        Assert.All(running.GroupBy(attempt => attempt.Builder), builds => Assert.InRange(builds.Count(), 0, work.MaxJobs));
        Assert.DoesNotContain(running, attempt => gone.Contains(attempt.On));
        Assert.All(running.GroupBy(attempt => attempt.Job), tries => Assert.InRange(tries.Count(), 1, 2));
        Assert.Equal(Told.Count(job => job.HasEnded), run.Results.Count);
        Assert.All(running, attempt => Assert.NotEmpty(attempt.Job.WantedBy));
        foreach (var job in run.Jobs.Where(job => !job.HasEnded && job.WantedBy.Count > 0))
        {
            var claims = job.WantedBy.Keys.Select(request => terms[request]).ToArray();
            Assert.Equal(claims.Select(claim => claim.User).Distinct().Order(), run.ClaimOf(job).Users);
            Assert.Equal(claims.Max(claim => claim.Priority), run.ClaimOf(job).Priority);
        }
    }

    private IReadOnlyList<RunAction> Answer(RunAction action)
    {
        // A heartbeat goes on until its builder falls silent.
        if (action is not RunAction.Watch) open.Remove(action);
        return action switch
        {
            RunAction.StartBuild a when WaitsForSlot() => run.Apply(new RunEvent.SlotAwaited(a.Attempt, [])),
            RunAction.StartBuild a => End(a.Attempt),
            RunAction.AwaitSlot a => run.Apply(new RunEvent.SlotFree(a.On)),
            RunAction.Prefetch a when gone.Contains(a.On) => run.Tick(),
            RunAction.Prefetch a => run.Apply(new RunEvent.InputsArrived(a.Job, a.Builder)),
            RunAction.Fetch a when Fails(6) =>
                run.Apply(new RunEvent.FetchFailed(a.Job, new("NotThere", "The substituter does not have it."))),
            RunAction.Fetch a => run.Fetch(a.Job),
            RunAction.Expand a when Fails(6) => run.Apply(new RunEvent.ExpandFailed(a.Job, new("Malformed", "It is no derivation."))),
            RunAction.Expand a => run.Expand(a.Job),
            RunAction.BringHome a when gone.Contains(a.Copy.Attempt.On) || Fails(4) => Fail(a.Copy),
            RunAction.BringHome a => run.ComeHome(a.Copy),
            RunAction.Push a when pushes.Next(3) == 0 =>
                run.Apply(new RunEvent.PushFailed(a.Outputs, new IOException("The store does not answer."))),
            RunAction.Push a => run.Apply(new RunEvent.Pushed(a.Outputs)),
            RunAction.Connect a when Fails(2) => run.Apply(new RunEvent.ConnectFailed(a.Connection, a.Builder, Refused(a.Builder.Name))),
            RunAction.Connect a => Connect(a.Builder, a.Connection),
            RunAction.Await a when Fails(2) => run.Apply(new RunEvent.ConnectFailed(a.Connection, a.Builder, Refused(a.Builder.Name))),
            RunAction.Await a => Connect(a.Builder, a.Connection),
            RunAction.Watch a when !a.On.IsLocal && Fails(20) => run.Apply(new RunEvent.BuilderSilent(a.On, Gone(a.On.Name))),
            RunAction.Watch a =>
                run.Apply(new RunEvent.LinkMeasured(a.On.Name, 1e6 * random.Next(1, 100), random.Next(2) == 0 ? null : 1e6)),
            RunAction.Probe a =>
                run.Apply(
                    new RunEvent.BuilderAnswered(a.On, a.Error, a.On.IsLocal || (!gone.Contains(a.On) && random.Next(2) == 0), a.Cause)),
            RunAction.Pause a => run.Apply(new RunEvent.PauseOver(a.On, a.IsAwaited)),
            _ => throw new InvalidOperationException($"World {seed} does not know {action}."),
        };
    }

    private IReadOnlyList<RunAction> End(Attempt attempt)
    {
        if (gone.Contains(attempt.On)) return run.Apply(new RunEvent.AttemptFailed(attempt, Gone(attempt.On.Name)));
        if (run.MissingInputsOf(attempt.Job) is [var missing, ..])
        {
            return run.Apply(new RunEvent.AttemptFailed(attempt, new PathLostException(missing), IsPathGone: true));
        }
        if (!Fails(4)) return run.Succeed(attempt);
        return random.Next(8) switch
        {
            0 => run.End(attempt, BuildStatus.PermanentFailure),
            1 or 2 => run.End(attempt, BuildStatus.TransientFailure),
            3 => run.Apply(new RunEvent.AttemptFailed(attempt, Gone(Names[random.Next(Names.Length)]))),
            4 => run.Apply(new RunEvent.AttemptFailed(attempt, new IOException("The disk is full."))),
            5 =>
                run.Apply(
                    new RunEvent.AttemptFailed(
                        attempt, new BuilderException(attempt.On.Name, BuilderFailure.FalseResult, "It says what cannot be."))),
            6 => Damage(attempt),
            _ => run.Apply(new RunEvent.AttemptFailed(attempt, Gone(attempt.On.Name))),
        };
    }

    /// <summary>What a builder has of an input is damaged.</summary>
    private IReadOnlyList<RunAction> Damage(Attempt attempt)
    {
        if (attempt.Job.Inputs.FirstOrDefault(path => !run.HoldersOf(path).Contains(run.Local)) is not { } path)
        {
            return run.Succeed(attempt);
        }
        var holder = run.HoldersOf(path).First();
        damaged.Add(path);
        return run.Apply(
            new RunEvent.AttemptFailed(
                attempt, new DamagedPathException(holder.Name, path, new IOException("It is longer.")), run.Drop(path, holder)));
    }

    private IReadOnlyList<RunAction> Fail(CopyHome copy)
    {
        Exception error = random.Next(4) switch
        {
            0 => new IOException("The disk is full."),
            1 => new DamagedPathException(copy.Attempt.On.Name, copy.Outputs[0], new IOException("It is longer.")),
            _ => Gone(copy.Attempt.On.Name),
        };
        if (error is DamagedPathException) damaged.Add(copy.Outputs[0]);
        var isGone = error is DamagedPathException && run.Drop(copy.Outputs[0], copy.Attempt.On);
        return run.Apply(new RunEvent.CopyBackFailed(copy, null, null, error, isGone));
    }

    private IReadOnlyList<RunAction> Connect(NixBuilder builder, PendingConnection connection)
    {
        var connected = run.Connect(builder.Name);
        var kept = connection.Had.Where(_ => random.Next(2) == 0).ToArray();
        foreach (var job in kept) run.Keep(job, connected);
        return run.Apply(new RunEvent.BuilderConnected(connection, connected, kept));
    }

    /// <summary>Drawn by itself: where nobody waits, worlds are as they are without neighbours.</summary>
    private bool WaitsForSlot() => slotWaits > 0 && slots.Next(10) == 0 && slotWaits-- > 0;

    private bool Fails(int oneIn)
    {
        if (faults == 0 || random.Next(oneIn) > 0) return false;
        faults--;
        return true;
    }

    private BuilderException Refused(string builder) =>
        random.Next(4) == 0
            ? new(builder, BuilderFailure.HostKeyMismatch, $"The host key of {builder} is another one.")
            : new(builder, BuilderFailure.Unreachable, $"{builder} does not answer.");

    private static BuilderException Gone(string builder) =>
        new(builder, BuilderFailure.ConnectionLost, $"The connection to {builder} broke.");
}
