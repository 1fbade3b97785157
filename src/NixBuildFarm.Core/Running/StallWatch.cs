namespace NixBuildFarm.Running;

/// <summary>
/// Ends the wait for a holder of a path that sends nothing any more although its connection lives: its disk may hang, or its daemon. The time is
/// what Nix gives its own downloads (<c>stalled-download-timeout</c>).
/// </summary>
internal sealed class StallWatch : IDisposable
{
    /// <summary>Nothing may come for this long.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromMinutes(5);

    private readonly CancellationTokenSource silence;
    private readonly CancellationTokenSource either;

    /// <summary>Begins to wait.</summary>
    /// <param name="time">The clock.</param>
    /// <param name="cancellation">Ends the wait as well.</param>
    public StallWatch(TimeProvider time, CancellationToken cancellation)
    {
        silence = new(Limit, time);
        either = CancellationTokenSource.CreateLinkedTokenSource(silence.Token, cancellation);
    }

    /// <summary>Is cancelled when nothing has come for too long, or when nobody waits any more.</summary>
    public CancellationToken Token => either.Token;

    /// <summary>Whether nothing has come for too long.</summary>
    public bool HasStalled => silence.IsCancellationRequested;

    /// <summary>Something has come; until it is passed on nobody waits for more.</summary>
    public void Hold() => silence.CancelAfter(Timeout.InfiniteTimeSpan);

    /// <summary>It is passed on.</summary>
    public void Resume() => silence.CancelAfter(Limit);

    /// <summary>Ends the wait.</summary>
    public void Dispose()
    {
        either.Dispose();
        silence.Dispose();
    }
}
