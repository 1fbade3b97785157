using NixBuildFarm.Platform;

namespace NixBuildFarm.Ssh.Connection;

/// <summary>
/// A login's turn. A login takes a tenth of a second of our own processor time: were a hundred begun at once, each would wait for all the
/// others, and the last server would hang up on us. They begin in the order in which they asked.
/// </summary>
internal sealed class LoginTurn : IDisposable
{
    /// <summary>A login that takes longer waits for its server, and needs no turn for that.</summary>
    private static readonly TimeSpan LongestTurn = TimeSpan.FromSeconds(3);

    private static readonly SemaphoreSlim Turns = new(AtATime);

    private readonly SilenceWatch end = new(LongestTurn, TimeProvider.System, CancellationToken.None);
    private int hasEnded;

    private LoginTurn() => end.Token.Register(End);

    /// <summary>How many log in at a time.</summary>
    public static int AtATime => Math.Max(16, 4 * Environment.ProcessorCount);

    /// <summary>Waits for a turn. It ends when it is disposed of, or when it has lasted for long enough.</summary>
    public static async Task<LoginTurn> TakeAsync(CancellationToken cancellation)
    {
        await Turns.WaitAsync(cancellation);
        return new();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        End();
        end.Dispose();
    }

    private void End()
    {
        if (Interlocked.Exchange(ref hasEnded, 1) == 0) Turns.Release();
    }
}
