using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;

namespace NixBuildFarm.Bench.Farm;

/// <summary>Stands between a machine and another, and hands on what comes after a while, in both directions.</summary>
internal sealed class DelayingRelay : IDisposable
{
    private readonly TcpListener listener = new(IPAddress.Loopback, 0);
    private readonly string target;
    private readonly TimeSpan delay;

    /// <summary>Begins to listen.</summary>
    /// <param name="target">The host, its port being 22.</param>
    /// <param name="delay">In each direction.</param>
    public DelayingRelay(string target, TimeSpan delay)
    {
        (this.target, this.delay) = (target, delay);
        listener.Start();
        _ = ServeAsync();
    }

    /// <summary>Where it listens, on loopback.</summary>
    public int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

    public void Dispose() => listener.Dispose();

    private async Task ServeAsync()
    {
        try
        {
            while (true) _ = RelayAsync(await listener.AcceptTcpClientAsync());
        }
        catch (Exception e) when (e is ObjectDisposedException or SocketException)
        {
            // The benchmark is over.
        }
    }

    private async Task RelayAsync(TcpClient near)
    {
        using var far = new TcpClient();
        using (near)
        {
            await far.ConnectAsync(target, 22);
            near.NoDelay = far.NoDelay = true;
            await Task.WhenAll(PumpAsync(near, far), PumpAsync(far, near));
        }
    }

    private async Task PumpAsync(TcpClient from, TcpClient to)
    {
        var underway = Channel.CreateBounded<(byte[] Data, DateTime Due)>(256);
        var arriving = Task.Run(async () =>
        {
            try
            {
                await foreach (var (data, due) in underway.Reader.ReadAllAsync())
                {
                    if (due - DateTime.UtcNow is { Ticks: > 0 } wait) await Task.Delay(wait);
                    await to.GetStream().WriteAsync(data);
                }
                to.Client.Shutdown(SocketShutdown.Send);
            }
            catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException)
            {
                from.Close();
            }
        });
        var buffer = new byte[64 * 1024];
        try
        {
            while (await from.GetStream().ReadAsync(buffer) is var count and > 0)
            {
                await underway.Writer.WriteAsync((buffer[..count], DateTime.UtcNow + delay));
            }
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or ChannelClosedException)
        {
            // One side has hung up.
        }
        underway.Writer.TryComplete();
        await arriving;
    }
}
