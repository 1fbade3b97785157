using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Observing;

namespace NixBuildFarm.Deciding;

/// <summary>Says what the user is told of a run, and keeps count. Results are told once per derivation.</summary>
internal sealed class RunReporter(RunFacts facts, string runId)
{
    private const double ForecastSeconds = 1;

    private readonly List<NixBuildResult> results = [];
    private int done;
    private int failed;
    private long supplied;
    private Forecast? remaining;
    private int substitutions;
    private int expansions;
    private int counted;
    private double forecastAt = double.NegativeInfinity;

    /// <summary>What has ended so far.</summary>
    public IReadOnlyList<NixBuildResult> Results => results;

    /// <summary>A derivation has ended.</summary>
    public void End(RunJob job, NixBuildStatus status, Attempt? attempt = null, BuildOutcome? outcome = null, string? error = null)
    {
        error ??= outcome is { Result: { IsSuccess: false } failure } ? failure.ErrorMessage : null;
        if (job.HasEnded)
        {
            job.LateError = status.IsSuccess() ? null : error ?? status.ToString();
            return;
        }
        if (attempt is not null) job.Last = attempt;
        if (outcome?.Kept is { Here: null, Problem: { } problem } left)
        {
            Degraded($"{job.Name}: its build directory is still on {attempt?.On.Name}, in {left.There}. It could not be brought here: "
                + $"{problem}.");
        }
        var ended = outcome ?? attempt?.Outcome;
        Tell(job, new()
        {
            Name = job.Name,
            DerivationPath = job.Path.ToString(),
            System = job.Derivation.System,
            Status = status,
            Builder = outcome is { WasAtHome: true } ? NixBuilder.LocalName : attempt?.On.Name,
            Started = attempt?.BuildBegun,
            Duration = attempt is { BuildBegun: { } begun } ? (attempt.BuildEnded ?? facts.UtcNow) - begun : TimeSpan.Zero,
            Waited = attempt is { BuildBegun: { } start } && job.Ready is { } ready && start > ready ? start - ready : TimeSpan.Zero,
            Supplied = attempt?.Supplied ?? 0,
            Attempts = [.. job.Attempts],
            PeakMemory = ended?.PeakMemory,
            ProcessorTime = ended?.ProcessorTime,
            Pushes = [.. job.Pushes.Select(push => push.State)],
            SharedCompiles = ended?.Shared is { Count: > 0 } shared ? shared : null,
            Outputs = error is null ? OutputsOf(job) : new Dictionary<string, string>(),
            Error = error,
            LogPath = outcome?.LogPath,
            LogTail = outcome?.LogTail ?? [],
            Phase = outcome?.Phase,
            BuildFolder = outcome?.Kept?.Here,
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
            Duration = facts.UtcNow - begun,
            Outputs = OutputsOf(job),
            IsRequested = job.IsRequested,
            RunId = runId,
        });
    }

    /// <summary>Where the run stands.</summary>
    /// <param name="running">What is under way.</param>
    /// <param name="pushing">How many outputs are still to be pushed.</param>
    /// <param name="forecast">Says how long it will take still; asked once a second, for it looks at every job.</param>
    public void Progress(IEnumerable<Attempt> running, int pushing, Func<Forecast?> forecast)
    {
        if (facts.Now - forecastAt >= ForecastSeconds)
        {
            forecastAt = facts.Now;
            remaining = forecast();
        }
        Count();
        facts.Do(
            new RunAction.TellProgress(
                [.. running], new(facts.Jobs.Count - expansions, done, failed, [])
                {
                    Substitutions = substitutions,
                    Remaining = remaining?.Remaining,
                    IsRemainingGuess = remaining?.IsGuess == true,
                    Supplied = supplied,
                    Pushing = pushing,
                    Machines = facts.Readings,
                }));
    }

    // Progress is told very often, and jobs are only ever added.
    private void Count()
    {
        for (; counted < facts.Jobs.Count; counted++)
        {
            substitutions += facts.Jobs[counted].IsSubstitution ? 1 : 0;
            expansions += facts.Jobs[counted].Expansion is not null ? 1 : 0;
        }
    }

    /// <summary>A decision was taken.</summary>
    public void Decided(string message) => Tell(new RunNews.Decided(message));

    /// <summary>The run is not as good as it should be.</summary>
    public void Degraded(string message) => Tell(new RunNews.Degraded(message));

    /// <summary>A builder cannot be used any more.</summary>
    public void BuilderFailed(NixBuilder builder, NixBuildFarmException error) => Tell(new RunNews.BuilderFailed(builder, error));

    private void Tell(RunJob job, NixBuildResult result)
    {
        job.Result = result;
        // It is told by what needs it.
        if (job.Expansion is not null) return;
        results.Add(result);
        supplied += result.Supplied;
        if (result.Success) done++;
        else failed++;
        Tell(new RunNews.Ended(result));
    }

    private void Tell(RunNews news) => facts.Do(new RunAction.Tell(news));

    private static Dictionary<string, string> OutputsOf(RunJob job) =>
        job.NamedOutputs.ToDictionary(output => output.Key, output => output.Value.ToString());
}
