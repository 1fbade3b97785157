namespace NixBuildFarm.Platform;

/// <summary>
/// Limits a rate of bytes: a token bucket, kept as the time up to which all sending is paid for. Senders pay for one piece at a time, so
/// that they take turns. Safe for concurrent use.
/// </summary>
/// <param name="bytesPerSecond">The rate, 1 or more.</param>
/// <param name="burst">How long an unused rate is saved up.</param>
/// <param name="time">The clock.</param>
internal sealed class Pace(long bytesPerSecond, TimeSpan burst, TimeProvider time)
{
    private readonly object gate = new();
    private readonly long start = time.GetTimestamp();
    private double paidUntil = -burst.TotalSeconds;

    /// <summary>Pays for a piece, and waits until it may be sent.</summary>
    /// <returns>Whether it had to wait.</returns>
    public async ValueTask<bool> WaitAsync(int bytes, CancellationToken cancellation)
    {
        var wait = Pay(bytes);
        if (wait <= 0) return false;
        await Task.Delay(TimeSpan.FromSeconds(wait), time, cancellation);
        return true;
    }

    /// <summary>Seconds until a piece may be sent; 0 or less: at once.</summary>
    private double Pay(int bytes)
    {
        lock (gate)
        {
            var now = time.GetElapsedTime(start).TotalSeconds;
            var turn = Math.Max(paidUntil, now - burst.TotalSeconds);
            paidUntil = turn + (double)bytes / bytesPerSecond;
            return turn - now;
        }
    }
}
