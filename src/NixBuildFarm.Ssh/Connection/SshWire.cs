using System.Buffers;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace NixBuildFarm.Ssh.Connection;

/// <summary>
/// The TCP connection to an SSH server. SSH.NET does not give its socket away, and its key exchange and login cannot be cancelled; so it
/// gets one end of a pair of connected sockets, and the wire forwards both directions. Thus a connection can be cut at any moment, and
/// silence is detected. The pair has no port: no other user of this machine can take the place of SSH.NET or the server.
/// </summary>
internal sealed class SshWire : IAsyncDisposable
{
    private const int PumpSize = 128 * 1024;

    private readonly Socket server;
    private readonly Socket client;
    private readonly Task passing;
    private long waitingSince;
    private volatile bool isCut;

    private SshWire(Socket server)
    {
        this.server = server;
        (client, LocalEnd) = SocketPair.Create();
        passing = PassAsync();
    }

    /// <summary>SSH.NET's end, connected to the server; its user disposes of it.</summary>
    public Socket LocalEnd { get; }

    /// <summary>The server's address.</summary>
    public EndPoint ServerEnd => server.RemoteEndPoint!;

    /// <summary>The error that broke the connection to the server; null: none.</summary>
    public SocketException? Failure { get; private set; }

    /// <summary>
    /// How long nothing has come from the server although we were listening. Zero while we are not: a server that is held
    /// back because a reader is slow is not silent.
    /// </summary>
    public TimeSpan Silence
    {
        get
        {
            var since = Interlocked.Read(ref waitingSince);
            return since == 0 ? TimeSpan.Zero : Stopwatch.GetElapsedTime(since);
        }
    }

    /// <summary>Connects to a server.</summary>
    /// <param name="host">Its name or address; every address of a name is tried, for its share of the time.</param>
    /// <param name="port">Its port.</param>
    /// <param name="family">The address family to use.</param>
    /// <param name="limit">The time for all attempts together.</param>
    /// <param name="cancellation">Ends the attempt at once.</param>
    /// <exception cref="SocketException">The name is unknown, or no address answers.</exception>
    public static async Task<SshWire> ConnectAsync(
        string host, int port, AddressFamily family, TimeSpan limit, CancellationToken cancellation)
    {
        // The look-up itself cannot be cancelled; the wait for it can.
        var addresses = await Dns.GetHostAddressesAsync(host, family, cancellation).WaitAsync(cancellation);
        if (addresses.Length == 0) throw new SocketException((int)SocketError.HostNotFound);
        var problem = SocketError.HostNotFound;
        foreach (var address in addresses)
        {
            var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            using var share = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            // The last may have all that is left.
            if (!ReferenceEquals(address, addresses[^1])) share.CancelAfter(limit / addresses.Length);
            try
            {
                await socket.ConnectAsync(new IPEndPoint(address, port), share.Token);
                return new SshWire(socket);
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException)
            {
                socket.Dispose();
                cancellation.ThrowIfCancellationRequested();
                problem = (e as SocketException)?.SocketErrorCode ?? SocketError.TimedOut;
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        }
        throw new SocketException((int)problem);
    }

    /// <summary>Cuts the connection: both sides see its end at once.</summary>
    public void Cut()
    {
        isCut = true;
        server.Dispose();
        client.Dispose();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Cut();
        await passing;
    }

    private async Task PassAsync()
    {
        await Task.WhenAll(CutAfterErrorAsync(FromServerAsync()), CutAfterErrorAsync(ToServerAsync()));
        Cut();
    }

    private async Task CutAfterErrorAsync(Task work)
    {
        try
        {
            await work;
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            if (!isCut) Failure ??= e as SocketException;
            Cut();
        }
    }

    private async Task FromServerAsync()
    {
        do
        {
            Interlocked.Exchange(ref waitingSince, Stopwatch.GetTimestamp());
            await server.ReceiveAsync(Memory<byte>.Empty);
            Interlocked.Exchange(ref waitingSince, 0);
        }
        while (await PassOnAsync(server, client));
        client.Shutdown(SocketShutdown.Send);
    }

    private async Task ToServerAsync()
    {
        do await client.ReceiveAsync(Memory<byte>.Empty);
        while (await PassOnAsync(client, server));
        server.Shutdown(SocketShutdown.Send);
    }

    // What has come, up to where a wait would begin: most connections wait most of the time, and have no buffer meanwhile. False: the end.
    private static async Task<bool> PassOnAsync(Socket from, Socket to)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(PumpSize);
        try
        {
            do
            {
                var count = await from.ReceiveAsync(buffer);
                if (count == 0) return false;
                await SendAllAsync(to, buffer.AsMemory(0, count));
            }
            while (from.Available > 0);
            return true;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static async Task SendAllAsync(Socket socket, ReadOnlyMemory<byte> data)
    {
        while (!data.IsEmpty) data = data[await socket.SendAsync(data)..];
    }
}
