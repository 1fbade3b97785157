using NixBuildFarm.Builders;
using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Deciding;
using NixBuildFarm.Deciding.Journal;
using NixBuildFarm.History;
using NixBuildFarm.Observing;
using NixBuildFarm.Protocol;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Store;
using NixBuildFarm.Work;

namespace NixBuildFarm.Core.Tests.Deciding;

/// <summary>
/// A run whose actions nothing carries out: the test reads them, and applies events of its own. Only what is answered at once is answered
/// here, by a record of who has which path.
/// </summary>
internal sealed class DecidedRun
{
    private readonly GivenWork work;
    private readonly Dictionary<StorePath, HashSet<RunBuilder>> holders = [];
    private readonly Dictionary<string, int> generations = [];
    private readonly RunFacts facts;
    private readonly Func<string, string?>? nixOf;

    private readonly List<string> lines = [];
    private readonly RunJournal journal;

    private DecidedRun(
        GivenWork work, RunRules rules, StorePath requested, string[] on, string[] others, Func<string, string?>? nixOf)
    {
        this.work = work;
        this.nixOf = nixOf;
        var (jobs, graph) = Describe([requested]);
        Local = Connect(NixBuilder.LocalName);
        var estimates = new RunEstimates(graph, [.. on.Concat(others).Select(name => work.Builder(name).ToFarmBuilder())], new Estimator());
        facts = new(
            rules,
            jobs,
            graph,
            Local,
            [.. on.Select(name => name == NixBuilder.LocalName ? Local : Connect(name))],
            estimates,
            DateTimeOffset.UnixEpoch,
            "run");
        Run = new(facts, []);
        journal = new(lines.Add);
        journal.Begin(facts, [], []);
    }

    /// <summary>What decides.</summary>
    public LiveRun Run { get; }

    /// <summary>Whether builders are lost because they leave a question unanswered.</summary>
    public bool GivesUp { get; set; }

    /// <summary>The local store.</summary>
    public RunBuilder Local { get; }

    /// <summary>The builders that take part.</summary>
    public IReadOnlyList<RunBuilder> Farm => facts.Farm;

    /// <summary>What the user was told of decisions.</summary>
    public List<string> Decisions { get; } = [];

    /// <summary>The journal of the run.</summary>
    public IReadOnlyList<string> Journal => lines;

    /// <summary>The jobs.</summary>
    public IReadOnlyList<RunJob> Jobs => facts.Jobs;

    /// <summary>The time, in seconds of the run.</summary>
    public double Now { get; set; }

    /// <summary>The actions decided as the run began.</summary>
    public IReadOnlyList<RunAction> First { get; private set; } = [];

    /// <summary>The builds that were decided, in order.</summary>
    public List<Attempt> Started { get; } = [];

    /// <summary>What later runs learn of builds.</summary>
    public List<BuildObservation> Kept { get; } = [];

    /// <summary>Decides what is built where.</summary>
    public Scheduler Scheduler => facts.Scheduler;

    /// <summary>The time of day.</summary>
    public DateTimeOffset UtcNow => facts.UtcNow;

    /// <summary>What is believed of a job.</summary>
    public Estimate EstimateOf(RunJob job) => facts.Scheduler.EstimateOf(job.Index);

    /// <summary>What the user was told of derivations.</summary>
    public List<NixBuildResult> Results { get; } = [];

    /// <summary>The warnings that the user saw.</summary>
    public List<string> Warnings { get; } = [];

    /// <summary>Where the run stands, as it last told.</summary>
    public RunProgress? Progress { get; private set; }

    /// <summary>The builders that the user was told of as unusable.</summary>
    public List<string> LostBuilders { get; } = [];

    /// <summary>Begins a run.</summary>
    /// <param name="work">Its derivations.</param>
    /// <param name="requested">What is asked for.</param>
    /// <param name="on">The builders that are connected.</param>
    /// <param name="with">Changes the rules.</param>
    /// <param name="connecting">Builders that still connect.</param>
    /// <param name="quarantined">Builders that failed in an earlier run.</param>
    /// <param name="nixOf">The version of a builder's Nix, by its name.</param>
    public static DecidedRun Begin(
        GivenWork work, StorePath requested, string[] on, Func<RunRules, RunRules>? with = null, string[]? connecting = null,
        string[]? quarantined = null, Func<string, string?>? nixOf = null)
    {
        var rules = new RunRules
        {
            KeepGoing = false,
            MaxAttempts = 3,
            Cores = null,
            CopyBack = CopyBack.All,
            IsCopyBackGiven = true,
            Scheduling = new() { Moldable = true },
        };
        var run = new DecidedRun(work, with?.Invoke(rules) ?? rules, requested, on, [.. connecting ?? [], .. quarantined ?? []], nixOf);
        run.First = run.Apply(new RunEvent.Began(
            [.. (connecting ?? []).Select(work.Builder)],
            [
                .. (quarantined ?? [])
                    .Select(
                        name =>
                            (
                                work.Builder(name),
                                new BuilderTrouble
                                {
                                    Builder = name,
                                    Openings = 3,
                                    Until = DateTimeOffset.UnixEpoch.AddSeconds(4),
                                    Reason = "It broke.",
                                })),
            ],
            []));
        return run;
    }

    /// <summary>A builder as it is once it is connected.</summary>
    public RunBuilder Connect(string name)
    {
        generations[name] = generations.GetValueOrDefault(name, -1) + 1;
        return new(work.Builder(name), generations[name], work.Memory, nixVersion: nixOf?.Invoke(name))
        {
            FirstReading = work.FirstReadings.GetValueOrDefault(name),
            LeftLoad = work.LeftLoads.TryGetValue(name, out var left) ? left : null,
        };
    }

    /// <summary>Applies an event, and lets the run decide.</summary>
    /// <returns>The actions that follow.</returns>
    public IReadOnlyList<RunAction> Apply(RunEvent happened)
    {
        var actions = new List<RunAction>();
        ApplyAlone(happened, actions);
        journal.Decides(Now);
        Run.Decide(Now);
        Take(actions);
        return actions;
    }

    /// <summary>A request joins.</summary>
    public IReadOnlyList<RunAction> Join(int request, params StorePath[] requested) => JoinAs(request, 0, 0, requested);

    /// <summary>A request of a user joins.</summary>
    public IReadOnlyList<RunAction> JoinAs(int request, int user, int priority, params StorePath[] requested)
    {
        var (jobs, graph) = Describe(requested);
        return Apply(
            new RunEvent.WorkAdded(request, jobs, graph) { KeepsGoing = facts.Rules.KeepGoing, User = user, Priority = priority });
    }

    /// <summary>Who wants a job, as the scheduler knows it, and how urgently.</summary>
    public (IReadOnlyList<int> Users, int Priority) ClaimOf(RunJob job)
    {
        var known = facts.Scheduler.Graph[job.Index];
        return (known.Users.Count == 0 ? [0] : known.Users, known.Priority);
    }

    /// <summary>The newest job of that name.</summary>
    public RunJob Job(string name) => Jobs.Last(job => job.Name == name);

    /// <summary>Nothing happens, and time passes.</summary>
    public IReadOnlyList<RunAction> Tick()
    {
        var actions = new List<RunAction>();
        journal.Decides(Now);
        Run.Decide(Now);
        Take(actions);
        return actions;
    }

    /// <summary>The run is over, or has stopped.</summary>
    public IReadOnlyList<RunAction> End()
    {
        var actions = new List<RunAction>();
        journal.Ends(Now);
        Run.End(Now);
        Take(actions);
        return actions;
    }

    /// <summary>A build succeeds: its builder has the output.</summary>
    public IReadOnlyList<RunAction> Succeed(Attempt attempt, Func<BuildOutcome, BuildOutcome>? with = null)
    {
        if (attempt.IsRunning) Keep(attempt.Job, attempt.On);
        return End(attempt, BuildStatus.Built, with);
    }

    /// <summary>A build ends.</summary>
    /// <param name="attempt">The build.</param>
    /// <param name="status">How.</param>
    /// <param name="with">Changes what is known of it.</param>
    public IReadOnlyList<RunAction> End(Attempt attempt, BuildStatus status, Func<BuildOutcome, BuildOutcome>? with = null)
    {
        var actions = new List<RunAction>();
        if (attempt.IsRunning) foreach (var path in attempt.Job.Inputs) Hold(path, attempt.On);
        if (attempt.BuildBegun is null) ApplyAlone(new RunEvent.BuildBegan(attempt, 10, null), actions);
        var result = new BuildResult { Status = status, ErrorMessage = $"It ended as {status}." };
        var outcome = new BuildOutcome(result, new Dictionary<string, StorePath>(), null, [])
        {
            Ended = DateTimeOffset.UnixEpoch.AddSeconds(Now),
            OutputBytes = 100,
        };
        return [.. actions, .. Apply(new RunEvent.BuildEnded(attempt, with?.Invoke(outcome) ?? outcome))];
    }

    /// <summary>Outputs come to the local store.</summary>
    public IReadOnlyList<RunAction> ComeHome(CopyHome copy)
    {
        Keep(copy.Attempt.Job, Local);
        return Apply(new RunEvent.CameHome(copy, DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch));
    }

    /// <summary>What a build has made is read.</summary>
    public IReadOnlyList<RunAction> Expand(RunJob job)
    {
        var made = work.MadeBy(job.Expansion!.Maker);
        var (jobs, graph) = Describe([made], areRequested: false);
        int[] needs = [Array.FindIndex(jobs, one => one.Path == made)];
        return Apply(new RunEvent.Expanded(job, made, jobs, graph, needs, new Dictionary<string, StorePath>()));
    }

    /// <summary>The outputs of a job come from a substituter.</summary>
    public IReadOnlyList<RunAction> Fetch(RunJob job)
    {
        Keep(job, Local);
        return Apply(new RunEvent.Fetched(job, DateTimeOffset.UnixEpoch));
    }

    /// <summary>A builder has the outputs of a job.</summary>
    public void Keep(RunJob job, RunBuilder builder)
    {
        foreach (var path in job.Outputs) Hold(path, builder);
    }

    /// <summary>A builder does not have a path any more, or cannot give it.</summary>
    /// <returns>Whether nobody has it now.</returns>
    public bool Drop(StorePath path, RunBuilder builder)
    {
        if (holders.TryGetValue(path, out var all)) all.Remove(builder);
        return !IsSomewhere(path);
    }

    /// <summary>Who has a path.</summary>
    public IReadOnlyCollection<RunBuilder> HoldersOf(StorePath path) => holders.GetValueOrDefault(path) ?? [];

    /// <summary>The inputs of a job that nobody has.</summary>
    public IReadOnlyList<StorePath> MissingInputsOf(RunJob job) => [.. job.Inputs.Where(path => !IsSomewhere(path))];

    private (RunJob[] Jobs, JobGraph Graph) Describe(StorePath[] requested, bool areRequested = true)
    {
        var paths = work.ClosureOf(requested);
        var indexOf = paths.Select((path, index) => (path, index)).ToDictionary(pair => pair.path, pair => pair.index);
        StorePath[] makers = [.. paths.Select(work.MakerFor).OfType<StorePath>().Distinct()];
        RunJob[] jobs =
        [
            .. paths.Select((path, index) => work.Job(index, path, areRequested && requested.Contains(path))),
            .. makers.Select((maker, index) => GivenWork.JobOfMade(paths.Count + index, maker)),
        ];
        return (jobs, new([.. jobs.Select(job => job.ToSchedulerJob([.. NeedsOf(job)]))]));

        IEnumerable<int> NeedsOf(RunJob job)
        {
            if (job.Expansion is { } expansion) return [indexOf[expansion.Maker]];
            var needs = work.NeedsOf(job.Path).Select(need => indexOf[need]);
            return work.MakerFor(job.Path) is { } maker ? needs.Append(paths.Count + Array.IndexOf(makers, maker)) : needs;
        }
    }

    private bool IsSomewhere(StorePath path) => HoldersOf(path).Count > 0;

    private void Hold(StorePath path, RunBuilder builder)
    {
        if (!holders.TryGetValue(path, out var all)) holders.Add(path, all = []);
        all.Add(builder);
    }

    private void ApplyAlone(RunEvent happened, List<RunAction> actions)
    {
        happened = happened with { At = Now };
        journal.Happened(happened);
        Run.Apply(happened);
        Take(actions);
    }

    private void Take(List<RunAction> actions)
    {
        while (Run.TryTakeAction(out var action))
        {
            journal.Did(action!);
            switch (action!)
            {
                case RunAction.Tell { News: var news }: Hear(news); break;
                case RunAction.TellProgress(var running, var progress):
                    Progress = progress;
                    Assert.InRange(progress.Waiting - running.Count, -running.Count, progress.Total);
                    break;
                case RunAction.KeepBuild(var build):
                    Kept.Add(build);
                    break;
                case RunAction.KeepTrouble: break;
                case RunAction.Disconnect a:
                    actions.Add(a);
                    ApplyAlone(Disconnect(a), actions);
                    break;
                case RunAction.DropPaths a:
                    foreach (var path in a.Paths) Drop(path, a.On);
                    break;
                case RunAction.DropSource a:
                    StorePath[] only = [.. a.Needs.Inputs.Where(path => HoldersOf(path).All(holder => holder == a.On))];
                    foreach (var path in only) Drop(path, a.On);
                    ApplyAlone(new RunEvent.SourceDropped(only, a.Reason), actions);
                    break;
                case RunAction.StartBuild a:
                    Started.Add(a.Attempt);
                    actions.Add(a);
                    break;
                default:
                    actions.Add(action!);
                    break;
            }
        }
    }

    private RunEvent.Disconnected Disconnect(RunAction.Disconnect a)
    {
        RunJob[] had = [.. a.Done.Where(job => job.Outputs.All(path => HoldersOf(path).Contains(a.On)))];
        foreach (var all in holders.Values) all.Remove(a.On);
        return new(a.On, a.Error, had, [.. a.Done.Where(job => !job.Outputs.All(IsSomewhere))], IsGivenUp: GivesUp, a.Cause);
    }

    private void Hear(RunNews news)
    {
        switch (news)
        {
            case RunNews.Ended(var result): Results.Add(result); break;
            case RunNews.Degraded(var message): Warnings.Add(message); break;
            case RunNews.Decided(var message): Decisions.Add(message); break;
            case RunNews.BuilderFailed(var builder, _): LostBuilders.Add(builder.Name); break;
        }
    }
}
