using NixBuildFarm.Core.Tests.Protocol;
using NixBuildFarm.Core.Tests.Running;
using NixBuildFarm.Deciding;
using NixBuildFarm.History;
using NixBuildFarm.Platform;
using NixBuildFarm.Protocol;
using NixBuildFarm.Running;
using NixBuildFarm.Sessions;
using NixBuildFarm.Store;
using NixBuildFarm.Supplying;

namespace NixBuildFarm.Core.Tests.Deciding;

/// <summary>A run whose actions nothing carries out: the test reads them, and applies events of its own.</summary>
internal sealed class DecidedRun : IAsyncDisposable
{
    private readonly List<BuilderSession> sessions = [];
    private readonly PathCatalog catalog = new();
    private RunHistory history = null!;
    private RunFacts facts = null!;

    /// <summary>What decides.</summary>
    public LiveRun Run { get; private set; } = null!;

    /// <summary>The jobs.</summary>
    public IReadOnlyList<RunJob> Jobs => facts.Jobs;

    /// <summary>The actions decided as the run began.</summary>
    public IReadOnlyList<RunAction> First { get; private set; } = [];

    /// <summary>The builds that were decided, in order.</summary>
    public List<Attempt> Started { get; } = [];

    /// <summary>Begins a run on these machines of a farm.</summary>
    public static async Task<DecidedRun> BeginAsync(
        FakeFarm farm, StorePath requested, string[] on, Func<BuildRequest, BuildRequest>? with = null, Action<DecidedRun>? before = null, TimeProvider? time = null)
    {
        var cancellation = TestContext.Current.CancellationToken;
        var decided = new DecidedRun();
        var local = await decided.ConnectAsync(farm.Local);
        foreach (var name in on) await decided.ConnectAsync(farm[name]);
        var request = new BuildRequest { Evaluate = _ => throw new InvalidOperationException("Nothing evaluates."), Builders = [.. on.Select(name => farm[name].Builder)] };
        request = with?.Invoke(request) ?? request;
        var clock = new RunClock(time ?? TimeProvider.System);
        decided.history = RunHistory.Open(NoHistory.Instance, farm, TimeProvider.System);
        var jobs = await RunJobs.FindAsync([new(requested, [])], farm, Task.FromResult(local), cancellation);
        var estimates = await decided.history.EstimateAsync(jobs.Graph, request.Builders);
        var reporter = new RunReporter(farm, "run", jobs.Jobs.Count, clock);
        decided.facts = new(request.Rules, jobs.Jobs, jobs.Graph, local, [.. decided.sessions.Skip(1).Take(on.Length)], estimates, decided.catalog, clock) { Reporter = reporter, Stopping = cancellation };
        decided.Run = new(decided.facts, decided.history, []);
        before?.Invoke(decided);
        decided.Run.Begin();
        decided.First = decided.Decide();
        return decided;
    }

    /// <summary>A session with a machine.</summary>
    public async Task<BuilderSession> ConnectAsync(FakeMachine machine)
    {
        var session = await BuilderSession.OpenAsync(machine.Builder, machine, new DaemonOptions(), TestContext.Current.CancellationToken);
        sessions.Add(session);
        return session;
    }

    /// <summary>Applies an event, and lets the run decide.</summary>
    /// <returns>The actions that follow.</returns>
    public IReadOnlyList<RunAction> Apply(RunEvent happened)
    {
        Run.Apply(happened);
        return Decide();
    }

    /// <summary>Nothing happens, and time passes.</summary>
    public IReadOnlyList<RunAction> Tick() => Decide();

    /// <summary>A build succeeds: its builder has the output.</summary>
    public IReadOnlyList<RunAction> Succeed(Attempt attempt)
    {
        Keep(attempt.Job, attempt.Session);
        return End(attempt, BuildStatus.Built);
    }

    /// <summary>Outputs come to the local store.</summary>
    public IReadOnlyList<RunAction> ComeHome(CopyHome copy)
    {
        Keep(copy.Attempt.Job, facts.Local);
        return Apply(new RunEvent.CameHome(copy, DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch));
    }

    /// <summary>Whether a builder that takes part has each input of a job.</summary>
    public bool CanSupply(RunJob job) => job.Inputs.All(path => catalog.Find(path) is not null);

    /// <summary>A builder has the outputs of a job.</summary>
    public void Keep(RunJob job, BuilderSession session)
    {
        foreach (var path in job.Outputs) catalog.Add(FakeStore.FileOf(path.Name, [1]).Info with { Path = path }, session, isVouchedFor: true);
    }

    /// <summary>A build ends.</summary>
    public IReadOnlyList<RunAction> End(Attempt attempt, BuildStatus status)
    {
        Run.Apply(new RunEvent.BuildBegan(attempt));
        return Apply(new RunEvent.BuildEnded(attempt, new(new() { Status = status, ErrorMessage = $"It ended as {status}." }, new Dictionary<string, StorePath>(), null, [])));
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var session in sessions) await session.DisposeAsync();
        await history.DisposeAsync();
    }

    private List<RunAction> Decide()
    {
        Run.Decide();
        var actions = new List<RunAction>();
        while (facts.TryTakeAction(out var action)) actions.Add(action!);
        Started.AddRange(actions.OfType<RunAction.StartBuild>().Select(start => start.Attempt));
        return actions;
    }
}
