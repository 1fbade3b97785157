namespace NixBuildFarm.Running;

/// <summary>The time of a run: seconds since it began, for the scheduler, and the time of day, for people.</summary>
internal sealed class RunClock(TimeProvider time)
{
    private readonly long beginning = time.GetTimestamp();

    /// <summary>Seconds since the run began.</summary>
    public double Now => time.GetElapsedTime(beginning).TotalSeconds;

    /// <summary>The time of day.</summary>
    public DateTimeOffset UtcNow => time.GetUtcNow();

    /// <summary>Ends at a moment of the run, given in seconds since it began.</summary>
    public Task DelayUntilAsync(double moment, CancellationToken cancellation) =>
        Task.Delay(TimeSpan.FromSeconds(Math.Max(0, moment - Now)), time, cancellation);
}
