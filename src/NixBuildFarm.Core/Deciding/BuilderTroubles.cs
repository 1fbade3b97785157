using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.History;

namespace NixBuildFarm.Deciding;

/// <summary>The circuit breaker of each builder, what last went wrong with it, and what of that later runs are to know.</summary>
internal sealed class BuilderTroubles(RunFacts facts, IEnumerable<BuilderTrouble> known)
{
    /// <summary>The longest pause between two tries to reach a builder that jobs may wait for.</summary>
    private static readonly TimeSpan LongestAwaitedPause = TimeSpan.FromSeconds(30);

    private readonly Dictionary<string, CircuitBreaker> breakers =
        known.ToDictionary(trouble => trouble.Builder, trouble => new CircuitBreaker(trouble.Openings));

    private readonly Dictionary<string, string> reasons = [];

    // Since when, in seconds of the run, those are gone that have built nothing since.
    private readonly Dictionary<string, double> lostAt = [];

    /// <summary>The circuit breaker of a builder.</summary>
    public CircuitBreaker BreakerOf(NixBuilder builder)
    {
        if (!breakers.TryGetValue(builder.Name, out var breaker)) breakers.Add(builder.Name, breaker = new());
        return breaker;
    }

    /// <summary>Why a builder cannot be used, without a full stop; null: nothing is known.</summary>
    public string? ReasonOf(string builder) => reasons.GetValueOrDefault(builder)?.TrimEnd('.');

    /// <summary>Whether what is wrong with a builder may pass by itself. A wrong host key, or a login that is refused, does not.</summary>
    public static bool CanPass(NixBuildFarmException error) =>
        error is BuilderException
        {
            Failure: BuilderFailure.ConnectionLost or BuilderFailure.Unreachable or BuilderFailure.NoNix or BuilderFailure.Incompatible,
        };

    /// <summary>A builder that took part is gone.</summary>
    public void Lose(NixBuilder builder)
    {
        lostAt.TryAdd(builder.Name, facts.Now);
        BreakerOf(builder).Open();
    }

    /// <summary>
    /// Whether jobs that no other builder may take wait for this one. For one that took part they do as long as the rules say, also if it
    /// comes and goes and builds nothing.
    /// </summary>
    public bool IsAwaited(NixBuilder builder) =>
        lostAt.TryGetValue(builder.Name, out var since)
            ? facts.Now - since < facts.Rules.MaxAbsence.TotalSeconds
            : BreakerOf(builder).HasHope;

    /// <summary>How long the next try to reach a builder waits.</summary>
    public TimeSpan PauseOf(NixBuilder builder)
    {
        var pause = BreakerOf(builder).Pause;
        return IsAwaited(builder) && pause > LongestAwaitedPause ? LongestAwaitedPause : pause;
    }

    /// <summary>Tells the user that a builder cannot be used.</summary>
    public void Tell(NixBuilder builder, NixBuildFarmException error)
    {
        reasons[builder.Name] = error.Message;
        facts.Reporter.BuilderFailed(builder, error);
    }

    /// <summary>Has later runs quarantine the builder, too, as long as this one does. The local machine is always there.</summary>
    public void Record(NixBuilder builder, string reason)
    {
        var breaker = BreakerOf(builder);
        if (!builder.IsLocal) Keep(builder, breaker.Openings, facts.UtcNow + breaker.Pause, reason);
    }

    /// <summary>The builder has built something: it is healthy.</summary>
    public void Clear(NixBuilder builder)
    {
        var breaker = BreakerOf(builder);
        lostAt.Remove(builder.Name);
        if (breaker.Openings > 0 && !builder.IsLocal) Keep(builder, 0, facts.UtcNow, "");
        breaker.Close();
    }

    private void Keep(NixBuilder builder, int openings, DateTimeOffset until, string reason) =>
        facts.Do(new RunAction.KeepTrouble(new() { Builder = builder.Name, Openings = openings, Until = until, Reason = reason }));
}
