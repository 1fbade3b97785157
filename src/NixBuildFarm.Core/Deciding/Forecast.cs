using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Deciding;

/// <summary>How long a run will take still, by what the scheduler believes of its jobs.</summary>
/// <param name="Remaining">The time that is left.</param>
/// <param name="IsGuess">Whether most of the work that is left has durations that are guesses.</param>
internal sealed record Forecast(TimeSpan Remaining, bool IsGuess)
{
    /// <summary>
    /// The longer of the two that no schedule can do without: the longest chain that is left (upward rank), and the work that is left on
    /// all slots of the farm. Null where nothing is left to be built, or no builder is left for it.
    /// </summary>
    public static Forecast? Of(Scheduler scheduler, IEnumerable<Attempt> running, DateTimeOffset now)
    {
        var (path, work, guessed, left) = (0.0, 0.0, 0.0, false);
        for (var job = 0; job < scheduler.Graph.Count; job++)
        {
            if (scheduler.StateOf(job) is not (JobState.Waiting or JobState.Ready)) continue;
            left = true;
            path = Math.Max(path, scheduler.RankOf(job));
            var estimate = scheduler.EstimateOf(job);
            work += estimate.Seconds;
            if (estimate.IsGuess) guessed += estimate.Seconds;
        }
        foreach (var attempt in running)
        {
            left = true;
            var elapsed = attempt.BuildBegun is { } begun ? (now - begun).TotalSeconds : 0;
            var rest = Math.Max(0, attempt.ExpectedNow - elapsed);
            // What waits for it has its rank without it.
            path = Math.Max(path, scheduler.RankOf(attempt.Job.Index) - attempt.ExpectedNow + rest);
            work += rest;
            if (attempt.IsGuess) guessed += rest;
        }
        var capacity = 0.0;
        for (var builder = 0; builder < scheduler.Builders.Count; builder++)
        {
            if (scheduler.StatusOf(builder) == BuilderStatus.Lost) continue;
            var description = scheduler.DescriptionOf(builder);
            capacity += description.MaxJobs * description.Systems.Select(system => system.Speed).DefaultIfEmpty(0).Max();
        }
        if (!left || capacity <= 0) return null;
        var seconds = Math.Max(path, work / capacity);
        return double.IsFinite(seconds) && seconds < TimeSpan.MaxValue.TotalSeconds / 2
            ? new(TimeSpan.FromSeconds(seconds), guessed > work / 2)
            : null;
    }
}
