using NixBuildFarm.Deciding;
using NixBuildFarm.History;
using NixBuildFarm.Platform;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Running;

/// <summary>Makes the record of a run: while it goes on, and when it has ended, however it did.</summary>
internal sealed class RunRecorder(string runId, IReadOnlyList<string> requested, RunClock clock)
{
    /// <summary>The clock of the run.</summary>
    public RunClock Clock => clock;

    /// <summary>What was asked for, in the user's words.</summary>
    public IReadOnlyList<string> Requested => requested;

    /// <summary>How long it took to find out what was asked for.</summary>
    public double EvaluationSeconds { get; init; }

    /// <summary>What there was to do; null while that is not known.</summary>
    public RunJobs? Jobs { get; set; }

    /// <summary>The jobs, as the run has them: those of <see cref="Jobs"/> until then.</summary>
    public IReadOnlyCollection<RunJob>? Joined { get; set; }

    /// <summary>The builders; empty while no build could begin.</summary>
    public IReadOnlyList<FarmBuilder> Farm { get; set; } = [];

    /// <summary>The run as it stands now. To be asked for by whoever changes its jobs.</summary>
    public RunRecord Ongoing() => Make(_ => RunState.Running, error: null);

    /// <summary>The run has come to its end.</summary>
    public RunRecord Ended() => Make(jobs => jobs.All(job => job.Status.IsSuccess()) ? RunState.Succeeded : RunState.Failed, error: null);

    /// <summary>The run has met an error, or was stopped.</summary>
    public RunRecord Broken(Exception error) =>
        error is OperationCanceledException ? Make(_ => RunState.Stopped, error: null) : Make(_ => RunState.Failed, error.Message);

    private RunRecord Make(Func<IReadOnlyList<RecordedJob>, RunState> state, string? error)
    {
        IReadOnlyList<RecordedJob> jobs = Jobs is null
            ? []
            : [.. RecordJobs(Joined ?? Jobs.Jobs), .. Jobs.AlreadyValid(runId).Select(Record)];
        return new()
        {
            Id = runId,
            Started = clock.Started,
            Ended = clock.UtcNow,
            State = state(jobs),
            Requested = requested,
            Error = error,
            EvaluationSeconds = EvaluationSeconds,
            Farm = Farm,
            Jobs = jobs,
        };
    }

    private IEnumerable<RecordedJob> RecordJobs(IEnumerable<RunJob> all)
    {
        RunJob[] jobs = [.. all.Where(job => job.Expansion is null)];
        var places = jobs.Select((job, place) => (job.Index, place)).ToDictionary(pair => pair.Index, pair => pair.place);
        return jobs.Select(job =>
        {
            var described = job.Described ?? Jobs!.Graph[job.Index];
            int[] dependencies = [.. described.Dependencies.Where(places.ContainsKey).Select(other => places[other])];
            return Record(job, described with { Dependencies = dependencies });
        });
    }

    private RecordedJob Record(RunJob job, Job described)
    {
        // A run that was stopped has builds that are still under way.
        var attempt = job.Last ?? job.Running.Values.FirstOrDefault();
        return new()
        {
            Job = described with { System = job.Derivation.IsBuiltin ? Job.Builtin : job.Derivation.System },
            DerivationPath = job.Path.ToString(),
            IsSubstitution = job.IsSubstitution,
            Status = job.Result?.Status ?? NixBuildStatus.Cancelled,
            Builder = attempt is null or { Outcome.WasAtHome: true } ? job.Result?.Builder : attempt.On.Name,
            SupplyStart = Offset(attempt?.Begun),
            Start = Offset(attempt?.BuildBegun ?? job.Result?.Started),
            Seconds = attempt is { BuildBegun: { } begun }
                ? ((attempt.BuildEnded ?? clock.UtcNow) - begun).TotalSeconds
                : job.Result?.Duration.TotalSeconds ?? 0,
            ExpectedSeconds = attempt?.ExpectedSeconds,
            IsGuess = attempt?.IsGuess == true,
            Waited = attempt is { BuildBegun: { } start } && job.Ready is { } ready && start > ready ? (start - ready).TotalSeconds : 0,
            Cores = attempt?.CountedCores ?? 0,
            SuppliedBytes = attempt?.Supplied ?? 0,
            OutputBytes = attempt?.OutputBytes ?? 0,
            HomeStart = Offset(attempt?.HomeBegun),
            HomeSeconds = attempt is { HomeBegun: { } left, HomeEnded: { } here } ? (here - left).TotalSeconds : 0,
            Attempts = [.. job.Attempts],
            PeakMemory = job.Result?.PeakMemory,
            ProcessorSeconds = job.Result?.ProcessorTime?.TotalSeconds,
            SharedCompiles = job.Result?.SharedCompiles,
            Pushes = [.. job.Pushes.Select(push => push.State)],
            Outputs = job.Result?.Outputs ?? new Dictionary<string, string>(),
            Error = job.Result is { } result ? result.Error : Unfinished(job),
            LogPath = attempt?.LogPath,
            Phase = job.Result?.Phase,
            BuildFolder = job.Result?.BuildFolder,
        };
    }

    private static RecordedJob Record(NixBuildResult valid) => new()
    {
        Job = new() { Name = valid.Name, System = valid.System, IsRequested = valid.IsRequested },
        DerivationPath = valid.DerivationPath,
        Status = valid.Status,
        Builder = valid.Builder,
        Outputs = valid.Outputs,
    };

    private static string Unfinished(RunJob job) => job.Last is { } built
        ? $"The run was stopped when it was built on {built.On}, and not yet brought home."
        : "The run was stopped before it was built.";

    private double? Offset(DateTimeOffset? moment) => (moment - clock.Started)?.TotalSeconds;
}
