using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Observing;
using NixBuildFarm.Platform;

namespace NixBuildFarm.Deciding;

/// <summary>Tells the observer of a run what happens, and keeps count. Results are told once per derivation.</summary>
internal sealed class RunReporter(IBuildObserver observer, string runId, int total, RunClock clock)
{
    private const double ForecastSeconds = 1;

    private readonly object gate = new();
    private readonly List<NixBuildResult> results = [];
    private int done;
    private int failed;
    private long supplied;
    private TimeSpan? remaining;
    private double forecastAt = double.NegativeInfinity;

    /// <summary>What else is to be done when something has happened; called by whoever changes the jobs of the run.</summary>
    public Action? Progressed { get; set; }

    /// <summary>What has ended so far.</summary>
    public IReadOnlyList<NixBuildResult> Results
    {
        get
        {
            lock (gate) return [.. results];
        }
    }

    /// <summary>A derivation has ended.</summary>
    public void End(RunJob job, NixBuildStatus status, Attempt? attempt = null, BuildOutcome? outcome = null, string? error = null)
    {
        if (job.HasEnded) return;
        if (attempt is not null) job.Last = attempt;
        error ??= outcome is { Result: { IsSuccess: false } failure } ? failure.ErrorMessage : null;
        Tell(job, new()
        {
            Name = job.Name,
            DerivationPath = job.Path.ToString(),
            System = job.Derivation.System,
            Status = status,
            Builder = attempt?.Session.Builder.Name,
            Started = attempt?.BuildBegun,
            Duration = attempt is { BuildBegun: { } begun } ? (attempt.BuildEnded ?? clock.UtcNow) - begun : TimeSpan.Zero,
            Waited = attempt is { BuildBegun: { } start } && job.Ready is { } ready && start > ready ? start - ready : TimeSpan.Zero,
            Supplied = attempt?.Supplied ?? 0,
            Attempts = [.. job.Attempts],
            SharedCompiles = attempt?.Shared,
            Outputs = error is null ? OutputsOf(job) : new Dictionary<string, string>(),
            Error = error,
            LogPath = outcome?.LogPath,
            LogTail = outcome?.LogTail ?? [],
            IsRequested = job.IsRequested,
            RunId = runId,
        });
    }

    /// <summary>The outputs of a derivation have come from a substituter.</summary>
    public void EndSubstituted(RunJob job, DateTimeOffset begun)
    {
        if (job.HasEnded) return;
        Tell(job, new()
        {
            Name = job.Name,
            DerivationPath = job.Path.ToString(),
            System = job.Derivation.System,
            Status = NixBuildStatus.Substituted,
            Builder = NixBuilder.LocalName,
            Started = begun,
            Duration = clock.UtcNow - begun,
            Outputs = OutputsOf(job),
            IsRequested = job.IsRequested,
            RunId = runId,
        });
    }

    /// <summary>A derivation that was asked for had nothing to be done.</summary>
    public void AlreadyValid(NixBuildResult result)
    {
        lock (gate) results.Add(result);
        observer.Observe(new RunNews.Ended(result));
    }

    /// <summary>Where the run stands.</summary>
    /// <param name="running">What is under way.</param>
    /// <param name="forecast">Says how long it will take still; asked once a second, for it looks at every job.</param>
    public void Progress(IEnumerable<Attempt> running, Func<TimeSpan?> forecast)
    {
        if (clock.Now - forecastAt >= ForecastSeconds)
        {
            forecastAt = clock.Now;
            remaining = forecast();
        }
        lock (gate)
        {
            RunningBuild[] builds = [.. running.Select(attempt => attempt.ToRunningBuild())];
            var progress = new RunProgress(total, done, failed, builds) { Remaining = remaining, Supplied = supplied };
            observer.Observe(new RunNews.Progressed(progress));
        }
        Progressed?.Invoke();
    }

    /// <summary>A build has printed a line.</summary>
    public void Printed(Attempt attempt, string line) => observer.Observe(new RunNews.Printed(attempt.ToRunningBuild(), line));

    /// <summary>A decision was taken.</summary>
    public void Decided(string message) => observer.Decided(message);

    /// <summary>The run is not as good as it should be.</summary>
    public void Degraded(string message) => observer.Degraded(message);

    /// <summary>A builder cannot be used any more.</summary>
    public void BuilderFailed(NixBuilder builder, NixBuildFarmException error) =>
        observer.Observe(new RunNews.BuilderFailed(builder, error));

    private void Tell(RunJob job, NixBuildResult result)
    {
        job.Result = result;
        lock (gate)
        {
            results.Add(result);
            supplied += result.Supplied;
            if (result.Success) done++;
            else failed++;
        }
        observer.Observe(new RunNews.Ended(result));
    }

    private static Dictionary<string, string> OutputsOf(RunJob job) =>
        job.NamedOutputs.ToDictionary(output => output.Key, output => output.Value.ToString());
}
