using NixBuildFarm.History;
using NixBuildFarm.Reporting.Events;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Reporting.Live;

/// <summary>
/// The record of a run as its events tell it, at any time while it goes on. It has what events have: no copies home, and of an attempt that
/// came to nothing no reason. The same events give the same record.
/// </summary>
public sealed class LiveRunRecord
{
    private const string Supplying = "supplying", Building = "building";
    private const string NoResult = "it came to no result there";

    private readonly List<Derivation> derivations = [];
    private readonly Dictionary<string, Derivation> byPath = [];
    private readonly List<string> builders = [];
    private readonly Dictionary<string, ReportMachine> machines = [];
    private string runId = "";
    private IReadOnlyList<string> requested = [];
    private DateTimeOffset began;
    private DateTimeOffset lastAt;
    private RunEventLine? progress;

    /// <summary>The builders as the history of the run has them: events tell of no slots. Others are known by what they do.</summary>
    public IReadOnlyList<FarmBuilder> Farm { get; set; } = [];

    /// <summary>How the run has ended; null: it goes on.</summary>
    public RunState? State { get; private set; }

    /// <summary>Takes an event in.</summary>
    public void Apply(RunEventLine line)
    {
        lastAt = line.Time;
        switch (line.Event)
        {
            case RunEventKind.RunBegan: (runId, requested, began) = (line.Run ?? "", line.Requested ?? [], line.Time); break;
            case RunEventKind.WorkFound: Add(line); break;
            case RunEventKind.BuildBegan: Begin(line); break;
            case RunEventKind.PhaseBegan: Enter(line); break;
            case RunEventKind.BuildEnded: StretchOf(line)?.EndAt(line.Time); break;
            case RunEventKind.DerivationEnded: End(line); break;
            case RunEventKind.MachineRead when line.Builder is { } builder:
                Know(builder);
                machines[builder] = new(line.Cores, line.Load, line.MemoryAvailable, line.OtherBuilds);
                break;
            case RunEventKind.Progress: progress = line; break;
            case RunEventKind.RunEnded: Close(line.State ?? RunState.Interrupted); break;
        }
    }

    /// <summary>Its process has ended, and has not told how the run did.</summary>
    public void Interrupt() => Close(RunState.Interrupted);

    /// <summary>The report of that record; while the run goes on, with what is left of it and what machines have.</summary>
    /// <param name="now">The time; builds that go on have lasted until then.</param>
    public RunReport ToReport(DateTimeOffset now)
    {
        var report = ToRecord(now).ToReport();
        if (State is not null) return report;
        return report with
        {
            Remainder = progress is null ? null : new(progress.RemainingSeconds, progress.IsGuess == true, progress.Pushing ?? 0),
            Builders = [.. report.Builders.Select(builder => builder with { Now = machines.GetValueOrDefault(builder.Name) })],
        };
    }

    /// <summary>The record.</summary>
    /// <param name="now">The time; builds that go on have lasted until then.</param>
    public RunRecord ToRecord(DateTimeOffset now)
    {
        var end = State is null && now > lastAt ? now : lastAt;
        return new()
        {
            Id = runId,
            Started = began,
            Ended = end,
            State = State ?? RunState.Running,
            Requested = requested,
            Farm =
            [
                .. Farm,
                .. builders.Except(Farm.Select(builder => builder.Name))
                    .Select(name => new FarmBuilder { Name = name, Systems = [], MaxJobs = 0 }),
            ],
            Jobs = [.. derivations.Select(derivation => Record(derivation, end))],
        };
    }

    private RecordedJob Record(Derivation derivation, DateTimeOffset now)
    {
        var (found, ended) = (derivation.Found, derivation.Ended);
        var decisive = derivation.Decisive;
        // What was fetched, or there before, had no build.
        var start = decisive?.Built ?? (ended is { Seconds: > 0 and var took } ? ended.Time.AddSeconds(-took) : null);
        return new()
        {
            Job = new()
            {
                Name = found.Name, System = found.System, Dependencies = [.. found.Needs.Where(place => place < derivations.Count)],
                IsRequested = found.IsRequested,
            },
            DerivationPath = found.Path,
            IsSubstitution = found.IsFetched,
            Status = ended?.Status ?? NixBuildStatus.Cancelled,
            Builder = decisive?.Builder ?? ended?.Builder,
            SupplyStart = Offset(decisive?.Began),
            Start = Offset(start),
            Seconds = ended?.Seconds ?? (start is { } since ? ((decisive?.Ended ?? now) - since).TotalSeconds : 0),
            ExpectedSeconds = decisive?.ExpectedSeconds,
            IsGuess = decisive?.IsGuess == true,
            Attempts =
            [
                .. derivation.Stretches.Where(stretch => stretch != decisive && stretch.Ended is not null)
                    .Select(stretch => stretch.ToAttempt(ended)),
            ],
            Error = ended?.Error,
            LogPath = ended?.LogPath ?? decisive?.LogPath,
            Phase = ended is null ? decisive?.Phase : ended.Phase,
        };
    }

    private void Add(RunEventLine line)
    {
        foreach (var found in line.Derivations ?? [])
        {
            var derivation = new Derivation(found);
            derivations.Add(derivation);
            byPath.TryAdd(found.Path, derivation);
        }
    }

    private void Begin(RunEventLine line)
    {
        if (line.Builder is not { } builder || byPath.GetValueOrDefault(line.Derivation ?? "") is not { } derivation) return;
        Know(builder);
        var stretch = new Stretch(builder, line.Time) { ExpectedSeconds = line.ExpectedSeconds, IsGuess = line.IsGuess };
        stretch.Enter(line);
        derivation.Stretches.Add(stretch);
    }

    private void Enter(RunEventLine line)
    {
        if (StretchOf(line) is { } stretch) stretch.Enter(line);
        else Begin(line);
    }

    private void End(RunEventLine line)
    {
        if (byPath.GetValueOrDefault(line.Derivation ?? "") is not { } derivation) return;
        derivation.Ended = line;
        foreach (var stretch in derivation.Stretches) stretch.EndAt(line.Time);
    }

    private void Close(RunState state)
    {
        State = state;
        foreach (var stretch in derivations.SelectMany(derivation => derivation.Stretches)) stretch.EndAt(lastAt);
    }

    private void Know(string builder)
    {
        if (!builders.Contains(builder)) builders.Add(builder);
    }

    private Stretch? StretchOf(RunEventLine line) => byPath.GetValueOrDefault(line.Derivation ?? "")?.Stretches
        .FindLast(stretch => stretch.Builder == line.Builder && stretch.Ended is null);

    private double? Offset(DateTimeOffset? moment) => (moment - began)?.TotalSeconds;

    private sealed class Derivation(Observing.FoundDerivation found)
    {
        public Observing.FoundDerivation Found => found;

        public List<Stretch> Stretches { get; } = [];

        public RunEventLine? Ended { get; set; }

        /// <summary>The one that tells of the derivation: that of its result, else the one that goes on, else the last.</summary>
        public Stretch? Decisive => Ended is { Builder: { } builder }
            ? Stretches.FindLast(stretch => stretch.Builder == builder)
            : Stretches.Find(stretch => stretch.Ended is null) ?? Stretches.LastOrDefault();
    }

    /// <summary>What one builder does for a derivation, from its first input to its end there.</summary>
    private sealed class Stretch(string builder, DateTimeOffset began)
    {
        public string Builder => builder;

        public DateTimeOffset Began => began;

        public DateTimeOffset? Built { get; private set; }

        public DateTimeOffset? Ended { get; private set; }

        public string? Phase { get; private set; }

        public string? LogPath { get; private set; }

        public double? ExpectedSeconds { get; init; }

        public bool? IsGuess { get; init; }

        public void Enter(RunEventLine line)
        {
            if (line.Phase != Supplying) Built ??= line.Time;
            Phase = line.Phase is Supplying or Building ? null : line.Phase;
            LogPath = line.LogPath ?? LogPath;
        }

        public void EndAt(DateTimeOffset time) => Ended ??= time;

        public NixBuildAttempt ToAttempt(RunEventLine? ended) => new()
        {
            Builder = builder,
            Started = began,
            Duration = Ended!.Value - began,
            Reason = ended?.Status?.IsSuccess() == true && Ended >= ended.Time ? NixBuildAttempt.GaveWayReason : NoResult,
        };
    }
}
