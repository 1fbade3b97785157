namespace NixBuildFarm.Platform;

/// <summary>
/// The time of a run: seconds since it began, for the scheduler, and the time of day, for people. Both run alike, also when the machine's
/// clock is set meanwhile.
/// </summary>
internal sealed class RunClock(TimeProvider time)
{
    private readonly long beginning = time.GetTimestamp();

    /// <summary>The clock itself.</summary>
    public TimeProvider Time => time;

    /// <summary>When the run began.</summary>
    public DateTimeOffset Started { get; } = time.GetUtcNow();

    /// <summary>Seconds since the run began.</summary>
    public double Now => time.GetElapsedTime(beginning).TotalSeconds;

    /// <summary>The time of day.</summary>
    public DateTimeOffset UtcNow => Started + time.GetElapsedTime(beginning);

    /// <summary>Ends after a while.</summary>
    public Task DelayAsync(TimeSpan time, CancellationToken cancellation) => DelayUntilAsync(Now + time.TotalSeconds, cancellation);

    /// <summary>Ends at a moment of the run, given in seconds since it began.</summary>
    public Task DelayUntilAsync(double moment, CancellationToken cancellation) =>
        Task.Delay(TimeSpan.FromSeconds(Math.Max(0, moment - Now)), time, cancellation);
}
