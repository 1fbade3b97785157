using NixBuildFarm.History;
using NixBuildFarm.Observing;
using NixBuildFarm.Reporting.Events;

namespace NixBuildFarm.Watching;

/// <summary>A build that goes on, as a watcher sees it.</summary>
internal sealed record WatchedBuild(string Derivation, string Name, string Builder, DateTimeOffset Since)
{
    /// <summary>The phase that it is in.</summary>
    public string Phase { get; init; } = "";

    /// <summary>How long it is expected to take; null: there is no estimate.</summary>
    public TimeSpan? Expected { get; init; }

    /// <summary>Whether that is a guess.</summary>
    public bool IsGuess { get; init; }

    /// <summary>The file with its log; null: it prints nothing yet.</summary>
    public string? LogPath { get; init; }
}

/// <summary>A run as its events tell it. The same events give the same state.</summary>
internal sealed class WatchedRun
{
    /// <summary>A derivation of which nothing is known weighs this many seconds in a chain.</summary>
    private const double Unknown = 1;

    private readonly List<FoundDerivation> found = [];
    private readonly Dictionary<string, int> places = [];
    private readonly Dictionary<string, RunEventLine> ended = [];
    private readonly Dictionary<(string Derivation, string Builder), WatchedBuild> running = [];
    private readonly Dictionary<long, RunEventLine> copies = [];
    private readonly SortedDictionary<string, RunEventLine> machines = new(StringComparer.Ordinal);
    private readonly List<RunEventLine> failures = [];
    private readonly List<List<int>> neededBy = [];

    /// <summary>The id of the run.</summary>
    public string RunId { get; private set; } = "";

    /// <summary>What was asked for, in the user's words.</summary>
    public IReadOnlyList<string> Requested { get; private set; } = [];

    /// <summary>When it began.</summary>
    public DateTimeOffset Began { get; private set; }

    /// <summary>When the last event was.</summary>
    public DateTimeOffset LastAt { get; private set; }

    /// <summary>How it has ended; null: it goes on.</summary>
    public RunState? State { get; private set; }

    /// <summary>How far it is; null: it has not said so yet.</summary>
    public RunEventLine? Progress { get; private set; }

    /// <summary>How many derivations are done: built, fetched, or there before.</summary>
    public int Done { get; private set; }

    /// <summary>How many derivations there are; those that were there before are not counted.</summary>
    public int Total => found.Count;

    /// <summary>The builds that go on, by builder, those that began first first.</summary>
    public IReadOnlyList<WatchedBuild> Builds =>
        [.. running.Values.OrderBy(build => build.Builder, StringComparer.Ordinal).ThenBy(build => build.Since)];

    /// <summary>What machines have, by builder.</summary>
    public IReadOnlyDictionary<string, RunEventLine> Machines => machines;

    /// <summary>The copies that go on.</summary>
    public IReadOnlyCollection<RunEventLine> Copies => copies.Values;

    /// <summary>The derivations that have failed themselves, in the order of time.</summary>
    public IReadOnlyList<RunEventLine> Failures => failures;

    /// <summary>The last warning; null: there was none.</summary>
    public string? Warning { get; private set; }

    /// <summary>Whether the last event told that there are pushes to do, or builds of others on a machine, or no longer any.</summary>
    public bool HasTurned { get; private set; }

    /// <summary>What has its inputs and waits for a builder.</summary>
    public IReadOnlyList<FoundDerivation> Ready => [.. Waiting.Where(derivation => AwaitedBy(derivation) is null)];

    /// <summary>What waits for something else, and what that is.</summary>
    public IReadOnlyList<(FoundDerivation Derivation, FoundDerivation Awaited)> Blocked =>
    [
        .. from derivation in Waiting
           let awaited = AwaitedBy(derivation)
           where awaited is not null
           select (derivation, awaited),
    ];

    private IEnumerable<FoundDerivation> Waiting =>
        found.Where(derivation => !ended.ContainsKey(derivation.Path) && !running.Keys.Any(key => key.Derivation == derivation.Path));

    /// <summary>Takes an event in.</summary>
    public void Apply(RunEventLine line)
    {
        LastAt = line.Time;
        HasTurned = line.Event switch
        {
            RunEventKind.Progress => line.Pushing > 0 != Progress?.Pushing > 0,
            RunEventKind.MachineRead => line.OtherBuilds > 0 != machines.GetValueOrDefault(line.Builder ?? "")?.OtherBuilds > 0,
            _ => false,
        };
        switch (line.Event)
        {
            case RunEventKind.RunBegan:
                (RunId, Requested, Began) = (line.Run ?? "", line.Requested ?? [], line.Time);
                break;
            case RunEventKind.WorkFound: Add(line.Derivations ?? []); break;
            case RunEventKind.BuildBegan or RunEventKind.PhaseBegan: Note(line); break;
            case RunEventKind.BuildEnded: running.Remove(KeyOf(line)); break;
            case RunEventKind.DerivationEnded: End(line); break;
            case RunEventKind.CopyBegan when line.Copy is { } copy: copies[copy] = line; break;
            case RunEventKind.CopyEnded when line.Copy is { } copy: copies.Remove(copy); break;
            case RunEventKind.Progress: Progress = line; break;
            case RunEventKind.MachineRead: machines[line.Builder ?? ""] = line; break;
            case RunEventKind.Warning: Warning = line.Message; break;
            case RunEventKind.RunEnded:
                End(line.State);
                break;
        }
    }

    /// <summary>Its process has ended, and has not told how the run did.</summary>
    public void Interrupt() => End(RunState.Interrupted);

    /// <summary>
    /// The derivations of the longest chain that is left, by what they are expected to take: the run ends when they have.
    /// </summary>
    public IReadOnlySet<string> CriticalPath()
    {
        var ranks = new double[found.Count];
        // What is needed comes before what needs it, so the ends of chains come last.
        for (var place = found.Count - 1; place >= 0; place--)
        {
            if (ended.ContainsKey(found[place].Path)) continue;
            var after = neededBy[place].Select(other => ranks[other]).DefaultIfEmpty(0).Max();
            ranks[place] = (found[place].ExpectedSeconds ?? Unknown) + after;
        }
        var path = new HashSet<string>();
        int? next = found.Count > 0 ? Enumerable.Range(0, found.Count).MaxBy(place => ranks[place]) : null;
        while (next is { } place && ranks[place] > 0)
        {
            path.Add(found[place].Path);
            next = neededBy[place].Count > 0 ? neededBy[place].MaxBy(other => ranks[other]) : null;
        }
        return path;
    }

    private void Add(IReadOnlyList<FoundDerivation> derivations)
    {
        foreach (var derivation in derivations)
        {
            places.TryAdd(derivation.Path, found.Count);
            found.Add(derivation);
            neededBy.Add([]);
            foreach (var needed in derivation.Needs.Where(needed => needed < found.Count - 1)) neededBy[needed].Add(found.Count - 1);
        }
    }

    private void Note(RunEventLine line)
    {
        var key = KeyOf(line);
        var build = running.GetValueOrDefault(key) ?? new(key.Derivation, line.Name ?? "", key.Builder, line.Time);
        // The clock of a build begins when its inputs are there.
        var since = build.Phase == "supplying" ? line.Time : build.Since;
        running[key] = build with
        {
            Since = since,
            Phase = line.Phase ?? "",
            Expected = line.ExpectedSeconds is { } seconds ? TimeSpan.FromSeconds(seconds) : build.Expected,
            IsGuess = line.IsGuess ?? build.IsGuess,
            LogPath = line.LogPath ?? build.LogPath,
        };
    }

    private void End(RunState? state)
    {
        State = state;
        running.Clear();
        copies.Clear();
    }

    private void End(RunEventLine line)
    {
        var derivation = line.Derivation ?? "";
        if (!ended.ContainsKey(derivation) && places.ContainsKey(derivation) && line.Status?.IsSuccess() == true) Done++;
        ended[derivation] = line;
        foreach (var key in running.Keys.Where(key => key.Derivation == derivation).ToArray()) running.Remove(key);
        if (line.Status?.HasFailed() == true) failures.Add(line);
    }

    private FoundDerivation? AwaitedBy(FoundDerivation derivation) => derivation.Needs.Where(place => place < found.Count)
        .Select(place => found[place])
        .FirstOrDefault(needed => ended.GetValueOrDefault(needed.Path)?.Status?.IsSuccess() != true);

    private static (string Derivation, string Builder) KeyOf(RunEventLine line) => (line.Derivation ?? "", line.Builder ?? "");
}
