namespace NixBuildFarm.Platform;

/// <summary>
/// Limits the time that a peer may be silent. It counts in steps, and a step begins only when this process has seen the end of the one
/// before: a process that gets no processor time takes no steps, and does not blame the peer for its own delay.
/// </summary>
public sealed class SilenceWatch : IDisposable
{
    private const int Steps = 10;
    private static readonly TimeSpan LongestStep = TimeSpan.FromDays(30); // of a timer

    private readonly CancellationTokenSource silence = new();
    private readonly CancellationTokenSource either;
    private readonly ITimer timer;
    private readonly TimeSpan step;
    private readonly Func<bool>? hasHeard;
    private int left = Steps;
    private volatile bool isHeld;

    /// <summary>Begins to wait.</summary>
    /// <param name="limit">How long the peer may say nothing; infinite: as long as it likes.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellation">Ends the wait as well.</param>
    /// <param name="hasHeard">Is asked at each step whether something has come since the last one; null: nothing comes on the way.</param>
    public SilenceWatch(TimeSpan limit, TimeProvider time, CancellationToken cancellation, Func<bool>? hasHeard = null)
    {
        this.hasHeard = hasHeard;
        step = limit == Timeout.InfiniteTimeSpan ? limit : limit / Steps < LongestStep ? limit / Steps : LongestStep;
        either = CancellationTokenSource.CreateLinkedTokenSource(silence.Token, cancellation);
        timer = time.CreateTimer(static watch => ((SilenceWatch)watch!).Step(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        timer.Change(step, Timeout.InfiniteTimeSpan);
    }

    /// <summary>Cancelled when the peer was silent for too long, or when the wait is cancelled.</summary>
    public CancellationToken Token => either.Token;

    /// <summary>Whether nothing has come for too long.</summary>
    public bool HasRunOut => silence.IsCancellationRequested;

    /// <summary>Stops counting until <see cref="Resume"/>.</summary>
    public void Hold() => isHeld = true;

    /// <summary>Something has come; the wait begins anew.</summary>
    public void Resume()
    {
        Volatile.Write(ref left, Steps);
        isHeld = false;
    }

    /// <summary>Ends the wait.</summary>
    public void Dispose()
    {
        timer.Dispose();
        either.Dispose();
        silence.Dispose();
    }

    private void Step()
    {
        try
        {
            if (isHeld || hasHeard?.Invoke() == true) Volatile.Write(ref left, Steps);
            else if (Interlocked.Decrement(ref left) <= 0) silence.Cancel();
            if (!silence.IsCancellationRequested) timer.Change(step, Timeout.InfiniteTimeSpan);
        }
        catch (ObjectDisposedException)
        {
            // The wait has ended meanwhile.
        }
    }
}
