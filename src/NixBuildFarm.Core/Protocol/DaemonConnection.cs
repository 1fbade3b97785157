using NixBuildFarm.Errors;
using NixBuildFarm.Protocol.Wire;

namespace NixBuildFarm.Protocol;

/// <summary>
/// A client's connection to a Nix daemon: the worker protocol, versions 1.32 to 1.38, over any duplex stream, which it owns.
/// </summary>
/// <remarks>
/// <para>One request at a time; a second one meanwhile is an <see cref="InvalidOperationException"/>.</para>
/// <para>A <see cref="DaemonException"/> leaves the connection usable, unless <see cref="IsBroken"/> says otherwise. Whatever else goes
/// wrong in the middle of a request breaks it, and so does cancelling: this is how Nix learns that a build is to be ended. A broken
/// connection closes its stream and refuses every further request with a <see cref="BuilderException"/>.</para>
/// <para>Sinks are called on the task that reads, one message at a time and in order; a slow sink slows the daemon down.</para>
/// </remarks>
internal sealed partial class DaemonConnection : IAsyncDisposable
{
    private readonly Stream stream;
    private readonly DaemonConnectionOptions options;
    private readonly InterruptibleStream wire;
    private readonly WireReader reader;
    private readonly WireWriter writer = new();
    private readonly CancellationTokenSource closing = new();
    private DaemonOptions? given;
    private Exception? failure;
    private Task closed = Task.CompletedTask;
    private int isBusy;

    private DaemonConnection(Stream stream, DaemonConnectionOptions options)
    {
        this.stream = stream;
        this.options = options;
        wire = new InterruptibleStream(stream, Lost);
        reader = new WireReader(wire, options.BufferSize);
    }

    /// <summary>The version that both sides speak.</summary>
    public ProtocolVersion Version { get; private set; }

    /// <summary>The daemon's version of Nix; null where it does not say (before Nix 2.7).</summary>
    public string? NixVersion { get; private set; }

    /// <summary>Whether the daemon trusts us.</summary>
    public DaemonTrust Trust { get; private set; }

    /// <summary>Whether the connection is closed, or can no longer be used.</summary>
    public bool IsBroken => Volatile.Read(ref failure) is not null;

    /// <summary>How many bytes have passed in both directions: as long as they do, the daemon is not silent.</summary>
    internal long Passed => wire.Passed;

    /// <summary>Greets the daemon at the other end of a stream.</summary>
    /// <param name="stream">To the daemon and from it. Belongs to the connection from now on, and is closed when this fails.</param>
    /// <param name="options">Whose daemon it is, and limits.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="BuilderException">No daemon answers, or an incompatible one; the message has its answer.</exception>
    public static async Task<DaemonConnection> OpenAsync(Stream stream, DaemonConnectionOptions options, CancellationToken cancellation)
    {
        var connection = new DaemonConnection(stream, options);
        try
        {
            await connection.ExclusiveAsync(connection.GreetAsync, cancellation);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <summary>Closes the stream; a request that is under way fails, and a build that it runs is ended.</summary>
    public async ValueTask DisposeAsync()
    {
        Break(new ObjectDisposedException(nameof(DaemonConnection)));
        await closed.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }
}
