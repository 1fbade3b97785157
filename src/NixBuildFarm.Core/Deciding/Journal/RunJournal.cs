using System.Text.Json.Nodes;
using NixBuildFarm.History;
using NixBuildFarm.Scheduling;
using static NixBuildFarm.Deciding.Journal.JournalFormat;

namespace NixBuildFarm.Deciding.Journal;

/// <summary>
/// Writes down all that a run decides on, and what it decides, a line of JSON each: what it begins with, events, decisions and actions.
/// <see cref="ReplayedRun"/> decides the same again. For the run's loop alone.
/// </summary>
/// <param name="output">Takes each line.</param>
internal sealed class RunJournal(Action<string> output)
{
    /// <summary>What the run begins with.</summary>
    /// <param name="facts">The run; nothing has happened yet.</param>
    /// <param name="seen">The builds of earlier runs that estimates rest on.</param>
    /// <param name="troubles">What earlier runs know of builders.</param>
    public void Begin(RunFacts facts, IReadOnlyList<BuildObservation> seen, IEnumerable<BuilderTrouble> troubles) => Write(new()
    {
        ["format"] = 1,
        ["started"] = Value(facts.Started),
        ["rules"] = Value(facts.Rules),
        ["local"] = Of(facts.Local),
        ["farm"] = new JsonArray([.. facts.Farm.Select(builder => Of(builder))]),
        ["configured"] = Value(facts.Estimates.Configured),
        ["seen"] = Value(seen),
        ["troubles"] = Value(troubles),
        ["work"] = Of(facts.Jobs, facts.Scheduler.Graph),
    });

    /// <summary>An event is applied.</summary>
    public void Happened(RunEvent happened) => Write(Event(happened));

    /// <summary>The run decides.</summary>
    public void Decides(double now) => Write(new() { ["decide"] = now });

    /// <summary>The run has stopped.</summary>
    public void Ends(double now) => Write(new() { ["end"] = now });

    /// <summary>An action was decided.</summary>
    public void Did(RunAction action)
    {
        if (ActionText.Of(action) is { } line) Write(new() { ["do"] = line });
    }

    private void Write(JsonObject line) => output(line.ToJsonString(Options));

    private static JsonObject Event(RunEvent happened)
    {
        var line = happened switch
        {
            RunEvent.Began e => new JsonObject
            {
                ["connecting"] = new JsonArray([.. e.Connecting.Select(builder => Of(builder))]),
                ["quarantined"] = Of(e.Quarantined),
                ["missing"] = new JsonArray(
                    [.. e.Missing.Select(one => new JsonObject { ["builder"] = Of(one.Builder), ["error"] = Of(one.Error) })]),
            },
            RunEvent.WorkAdded e => new()
            {
                ["request"] = e.Request,
                ["keepsGoing"] = e.KeepsGoing,
                ["user"] = e.User,
                ["priority"] = e.Priority,
                ["known"] = Value(e.Known),
                ["work"] = Of(e.Items, e.Graph),
            },
            RunEvent.Expanded e => new()
            {
                ["job"] = e.Job.Index,
                ["made"] = e.Made.ToString(),
                ["work"] = Of(e.Items, e.Graph),
                ["needs"] = Value(e.Needs),
                ["outputs"] = Of(e.Outputs),
                ["known"] = Value(e.Known),
            },
            RunEvent.ExpandFailed e => new() { ["job"] = e.Job.Index, ["error"] = Of(e.Error) },
            RunEvent.BuildersFound e => new()
            {
                ["connecting"] = new JsonArray([.. e.Connecting.Select(builder => Of(builder))]),
                ["quarantined"] = Of(e.Quarantined),
            },
            RunEvent.WorkWithdrawn e => new() { ["request"] = e.Request },
            RunEvent.SlotAwaited e => new() { ["attempt"] = e.Attempt.Number, ["holders"] = Value(e.Holders) },
            RunEvent.SlotStillAwaited e => new() { ["on"] = Of(e.On), ["holders"] = Value(e.Holders) },
            RunEvent.SlotFree e => new() { ["on"] = Of(e.On) },
            RunEvent.BuildBegan e => new() { ["attempt"] = e.Attempt.Number, ["supplied"] = e.Supplied, ["log"] = e.LogPath },
            RunEvent.PhaseEntered e => new() { ["attempt"] = e.Attempt.Number, ["phase"] = e.Phase.ToString() },
            RunEvent.BuildEnded e => new() { ["attempt"] = e.Attempt.Number, ["outcome"] = Of(e.Outcome) },
            RunEvent.AttemptFailed e => new() { ["attempt"] = e.Attempt.Number, ["error"] = Of(e.Error), ["gone"] = e.IsPathGone },
            RunEvent.InputsArrived e => new() { ["job"] = e.Job.Index, ["builder"] = e.Builder },
            RunEvent.Fetched e => new() { ["job"] = e.Job.Index, ["begun"] = Value(e.Begun) },
            RunEvent.FetchFailed e => new() { ["job"] = e.Job.Index, ["error"] = Of(e.Error) },
            RunEvent.CameHome e => new() { ["copy"] = e.Copy.Number, ["begun"] = Value(e.Begun), ["ended"] = Value(e.Ended) },
            RunEvent.CopyBackFailed e =>
                new()
                {
                    ["copy"] = e.Copy.Number,
                    ["begun"] = Value(e.Begun),
                    ["ended"] = Value(e.Ended),
                    ["error"] = Of(e.Error),
                    ["gone"] = e.IsPathGone,
                },
            RunEvent.Pushed e => new() { ["push"] = e.Push.Number },
            RunEvent.PushFailed e => new() { ["push"] = e.Push.Number, ["error"] = Of(e.Error) },
            RunEvent.BuilderConnected e => new() { ["connection"] = e.Connection.Number, ["on"] = Of(e.On), ["kept"] = Indexes(e.Kept) },
            RunEvent.ConnectFailed e =>
                new() { ["connection"] = e.Connection.Number, ["builder"] = Of(e.Builder), ["error"] = Of(e.Error) },
            RunEvent.BuilderSilent e => new() { ["on"] = Of(e.On), ["error"] = Of(e.Error) },
            RunEvent.BuilderAnswered e =>
                new() { ["on"] = Of(e.On), ["error"] = Of(e.Error), ["answers"] = e.Answers, ["cause"] = Event(e.Cause) },
            RunEvent.Disconnected e => new()
            {
                ["on"] = Of(e.On), ["error"] = Of(e.Error), ["had"] = Indexes(e.Had), ["lost"] = Indexes(e.Lost), ["givenUp"] = e.IsGivenUp,
                ["cause"] = e.Cause is { } cause ? Event(cause) : null,
            },
            RunEvent.SourceDropped e =>
                new() { ["paths"] = new JsonArray([.. e.Paths.Select(path => JsonValue.Create(path.ToString()))]), ["reason"] = e.Reason },
            RunEvent.PauseOver e => new() { ["on"] = Of(e.On), ["awaited"] = e.IsAwaited },
            RunEvent.CompilesChanged e => new() { ["kind"] = e.Happened.GetType().Name, ["happened"] = Of(e.Happened) },
            RunEvent.LinkMeasured e => new() { ["builder"] = e.Builder, ["download"] = e.Download, ["upload"] = e.Upload },
            RunEvent.MachineRead e => new() { ["on"] = Of(e.On), ["reading"] = Value(e.Reading) },
            RunEvent.Unforeseen e => new() { ["error"] = Of(e.Error) },
            _ => throw new InvalidOperationException($"A journal does not know {happened}."),
        };
        line["event"] = happened.GetType().Name;
        line["at"] = happened.At;
        return line;
    }

    private static JsonArray Indexes(IEnumerable<RunJob> jobs) => new([.. jobs.Select(job => JsonValue.Create(job.Index))]);
}
