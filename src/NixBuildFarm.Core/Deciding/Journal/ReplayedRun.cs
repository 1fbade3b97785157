using System.Text.Json.Nodes;
using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Store;
using static NixBuildFarm.Deciding.Journal.JournalFormat;

namespace NixBuildFarm.Deciding.Journal;

/// <summary>A run that is decided again from its journal: the same events, and whatever the decisions of this version are.</summary>
internal sealed class ReplayedRun
{
    private readonly Dictionary<(string Name, int Generation), RunBuilder> builders = [];
    private readonly Dictionary<int, Attempt> attempts = [];
    private readonly Dictionary<int, CopyHome> copies = [];
    private readonly Dictionary<int, Push> pushes = [];
    private readonly Dictionary<int, PendingConnection> connections = [];
    private readonly List<string> recorded = [];
    private readonly List<string> decided = [];
    private readonly RunFacts facts;
    private readonly LiveRun run;

    private ReplayedRun(JsonNode head)
    {
        var (jobs, graph) = ToWork(head["work"]!);
        var estimator = new Estimator();
        estimator.Know(To<BuildObservation[]>(head["seen"]), Enumerable.Range(0, graph.Count).Select(job => graph[job]));
        var estimates = new RunEstimates(graph, To<FarmBuilder[]>(head["configured"]), estimator);
        RunBuilder local = Builder(head["local"]!);
        facts = new(
            To<RunRules>(head["rules"]),
            jobs,
            graph,
            local,
            [.. head["farm"]!.AsArray().Select(one => Builder(one!))],
            estimates,
            To<DateTimeOffset>(head["started"]),
            "replayed");
        run = new(facts, To<BuilderTrouble[]>(head["troubles"]));
    }

    /// <summary>The actions that the journal has.</summary>
    public IReadOnlyList<string> Recorded => recorded;

    /// <summary>The actions that are decided now.</summary>
    public IReadOnlyList<string> Decided => decided;

    /// <summary>What became of each derivation.</summary>
    public IReadOnlyList<NixBuildResult> Results => facts.Reporter.Results;

    /// <summary>Replays a journal.</summary>
    /// <exception cref="InvalidOperationException">Its events cannot follow what is decided now: the decisions are others than they
    /// were.</exception>
    public static ReplayedRun Of(IEnumerable<string> lines)
    {
        ReplayedRun? replayed = null;
        foreach (var line in lines.Where(line => line.Length > 0))
        {
            var node = JsonNode.Parse(line)!;
            if (replayed is null) replayed = new(node);
            else replayed.Take(node);
        }
        return replayed ?? throw new InvalidOperationException("The journal is empty.");
    }

    private void Take(JsonNode node)
    {
        if (node["do"] is { } action) recorded.Add((string)action!);
        else if (node["decide"] is { } now) run.Decide((double)now);
        else if (node["end"] is { } end) run.End((double)end);
        else run.Apply(Event(node));
        while (run.TryTakeAction(out var next)) Note(next!);
    }

    private void Note(RunAction action)
    {
        switch (action)
        {
            case RunAction.StartBuild a: attempts[a.Attempt.Number] = a.Attempt; break;
            case RunAction.BringHome a: copies[a.Copy.Number] = a.Copy; break;
            case RunAction.Push a: pushes[a.Outputs.Number] = a.Outputs; break;
            case RunAction.Connect a: connections[a.Connection.Number] = a.Connection; break;
            case RunAction.Await a: connections[a.Connection.Number] = a.Connection; break;
        }
        if (ActionText.Of(action) is { } line) decided.Add(line);
    }

    private RunEvent Event(JsonNode node) => Read(node) with { At = (double)node["at"]! };

    private RunEvent Read(JsonNode node) => (string)node["event"]! switch
    {
        nameof(RunEvent.Began) => new RunEvent.Began(
            [.. node["connecting"]!.AsArray().Select(one => ToBuilder(one!))],
            ToQuarantined(node["quarantined"]!),
            [.. node["missing"]!.AsArray().Select(one => (ToBuilder(one!["builder"]!), Error<NixBuildFarmException>(one)))]),
        nameof(RunEvent.WorkAdded) => WorkOf(node),
        nameof(RunEvent.Expanded) => ExpandedOf(node),
        nameof(RunEvent.ExpandFailed) => new RunEvent.ExpandFailed(JobOf(node["job"]!), Error<NixBuildFarmException>(node)),
        nameof(RunEvent.BuildersFound) => new RunEvent.BuildersFound(
            [.. node["connecting"]!.AsArray().Select(one => ToBuilder(one!))], ToQuarantined(node["quarantined"]!)),
        nameof(RunEvent.WorkWithdrawn) => new RunEvent.WorkWithdrawn((int)node["request"]!),
        nameof(RunEvent.SlotAwaited) => new RunEvent.SlotAwaited(AttemptOf(node), To<string[]>(node["holders"])),
        nameof(RunEvent.SlotStillAwaited) => new RunEvent.SlotStillAwaited(Builder(node["on"]!), To<string[]>(node["holders"])),
        nameof(RunEvent.SlotFree) => new RunEvent.SlotFree(Builder(node["on"]!)),
        nameof(RunEvent.BuildBegan) => new RunEvent.BuildBegan(AttemptOf(node), (long)node["supplied"]!, (string?)node["log"]),
        nameof(RunEvent.PhaseEntered) =>
            new RunEvent.PhaseEntered(AttemptOf(node), Enum.Parse<TellingPhase>((string)node["phase"]!)),
        nameof(RunEvent.BuildEnded) => new RunEvent.BuildEnded(AttemptOf(node), ToOutcome(node["outcome"]!)),
        nameof(RunEvent.AttemptFailed) => new RunEvent.AttemptFailed(AttemptOf(node), ToError(node["error"]!), (bool)node["gone"]!),
        nameof(RunEvent.InputsArrived) => new RunEvent.InputsArrived(JobOf(node["job"]!), (int)node["builder"]!),
        nameof(RunEvent.Fetched) => new RunEvent.Fetched(JobOf(node["job"]!), To<DateTimeOffset>(node["begun"])),
        nameof(RunEvent.FetchFailed) => new RunEvent.FetchFailed(JobOf(node["job"]!), Error<NixBuildFarmException>(node)),
        nameof(RunEvent.CameHome) =>
            new RunEvent.CameHome(CopyOf(node), To<DateTimeOffset>(node["begun"]), To<DateTimeOffset>(node["ended"])),
        nameof(RunEvent.CopyBackFailed) => new RunEvent.CopyBackFailed(
            CopyOf(node), To<DateTimeOffset?>(node["begun"]), To<DateTimeOffset?>(node["ended"]), ToError(node["error"]!),
            (bool)node["gone"]!),
        nameof(RunEvent.Pushed) => new RunEvent.Pushed(PushOf(node)),
        nameof(RunEvent.PushFailed) => new RunEvent.PushFailed(PushOf(node), ToError(node["error"]!)),
        nameof(RunEvent.BuilderConnected) => new RunEvent.BuilderConnected(ConnectionOf(node), Builder(node["on"]!), Jobs(node["kept"]!)),
        nameof(RunEvent.ConnectFailed) =>
            new RunEvent.ConnectFailed(ConnectionOf(node), ToBuilder(node["builder"]!), Error<NixBuildFarmException>(node)),
        nameof(RunEvent.BuilderSilent) => new RunEvent.BuilderSilent(Builder(node["on"]!), Error<BuilderException>(node)),
        nameof(RunEvent.BuilderAnswered) =>
            new RunEvent.BuilderAnswered(
                Builder(node["on"]!), Error<BuilderException>(node), (bool)node["answers"]!, Event(node["cause"]!)),
        nameof(RunEvent.Disconnected) => new RunEvent.Disconnected(
            Builder(node["on"]!), Error<BuilderException>(node), Jobs(node["had"]!), Jobs(node["lost"]!), (bool)node["givenUp"]!,
            node["cause"] is { } cause ? Event(cause) : null),
        nameof(RunEvent.SourceDropped) =>
            new RunEvent.SourceDropped(
                [.. node["paths"]!.AsArray().Select(path => StorePath.Parse((string)path!))], (string)node["reason"]!),
        nameof(RunEvent.PauseOver) => new RunEvent.PauseOver(Builder(node["on"]!), (bool)node["awaited"]!),
        nameof(RunEvent.CompilesChanged) => new RunEvent.CompilesChanged(ToLendingEvent((string)node["kind"]!, node["happened"]!)),
        nameof(RunEvent.LinkMeasured) =>
            new RunEvent.LinkMeasured((string)node["builder"]!, (double?)node["download"], (double?)node["upload"]),
        nameof(RunEvent.MachineRead) => new RunEvent.MachineRead(Builder(node["on"]!), To<MachineReading?>(node["reading"])),
        nameof(RunEvent.Unforeseen) => new RunEvent.Unforeseen(ToError(node["error"]!)),
        _ => throw Unknown(node),
    };

    private static RunEvent.WorkAdded WorkOf(JsonNode node)
    {
        var (jobs, graph) = ToWork(node["work"]!);
        return new((int)node["request"]!, jobs, graph)
        {
            KeepsGoing = (bool)node["keepsGoing"]!,
            User = (int?)node["user"] ?? 0,
            Priority = (int?)node["priority"] ?? 0,
            Known = To<BuildObservation[]>(node["known"]),
        };
    }

    private RunEvent.Expanded ExpandedOf(JsonNode node)
    {
        var (jobs, graph) = ToWork(node["work"]!);
        return new(
            JobOf(node["job"]!), StorePath.Parse((string)node["made"]!), jobs, graph, To<int[]>(node["needs"]), ToOutputs(node["outputs"]!))
        {
            Known = To<BuildObservation[]>(node["known"]),
        };
    }

    private RunBuilder Builder(JsonNode node)
    {
        var builder = ToRunBuilder(node);
        return builders.TryGetValue((builder.Name, builder.Generation), out var known)
            ? known
            : builders[(builder.Name, builder.Generation)] = builder;
    }

    private RunJob JobOf(JsonNode index) => facts.Jobs[(int)index];

    private RunJob[] Jobs(JsonNode indexes) => [.. indexes.AsArray().Select(index => JobOf(index!))];

    private Attempt AttemptOf(JsonNode node) => attempts.GetValueOrDefault((int)node["attempt"]!) ?? throw Unknown(node);

    private CopyHome CopyOf(JsonNode node) => copies.GetValueOrDefault((int)node["copy"]!) ?? throw Unknown(node);

    private Push PushOf(JsonNode node) => pushes.GetValueOrDefault((int)node["push"]!) ?? throw Unknown(node);

    private PendingConnection ConnectionOf(JsonNode node) => connections.GetValueOrDefault((int)node["connection"]!) ?? throw Unknown(node);

    private static T Error<T>(JsonNode node)
        where T : Exception => ToError(node["error"]!) as T ?? throw Unknown(node);

    private static InvalidOperationException Unknown(JsonNode node) =>
        new($"Nothing that was decided is answered by {node.ToJsonString()}");
}
