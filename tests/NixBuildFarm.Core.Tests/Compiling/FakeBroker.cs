using System.Collections.Concurrent;
using System.Threading.Channels;
using NixBuildFarm.Sharing;

namespace NixBuildFarm.Core.Tests.Compiling;

/// <summary>A broker in this process, and the shims behind it.</summary>
internal sealed class FakeBroker(Stream stream, string greeting = "nixbuildfarm-broker 1 /run/nixbuildfarm-test\n")
{
    private readonly ConcurrentDictionary<uint, Channel<BrokerFrame>> shims = new();
    private readonly object gate = new();
    private Task writing = Task.CompletedTask;
    private volatile bool hasEnded;
    private uint last;

    /// <summary>Whether the coordinator, or the broker itself, has closed the channel.</summary>
    public bool HasEnded => hasEnded;

    /// <summary>Serves until the coordinator closes the channel.</summary>
    public async Task RunAsync()
    {
        try
        {
            await stream.WriteAsync(System.Text.Encoding.UTF8.GetBytes(greeting));
            var header = new byte[BrokerFrame.HeaderSize];
            while (true)
            {
                await stream.ReadExactlyAsync(header);
                var frame = BrokerFrame.ReadHeader(header, out var length);
                var payload = new byte[length];
                await stream.ReadExactlyAsync(payload);
                if (shims.TryGetValue(frame.Connection, out var shim)) shim.Writer.TryWrite(frame with { Payload = payload });
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or InvalidOperationException or OddFrameException)
        {
            End();
        }
    }

    /// <summary>The broker is killed.</summary>
    public void Kill()
    {
        End();
        stream.Dispose();
    }

    /// <summary>A shim connects, and says that it wants to compile.</summary>
    public async Task<(uint Connection, ChannelReader<BrokerFrame> Frames)> ConnectAsync(
        string source, string tool = "cc1plus", string stays = "")
    {
        var connection = Interlocked.Increment(ref last);
        var frames = Channel.CreateUnbounded<BrokerFrame>();
        shims[connection] = frames;
        if (HasEnded) frames.Writer.TryComplete();
        var hello = new FieldWriter().Text(SampleBytes(tool)).Text(SampleBytes(source)).Text(SampleBytes(stays));
        await SayAsync(connection, FrameKind.Hello, hello.ToArray());
        return (connection, frames.Reader);
    }

    /// <summary>A shim says something.</summary>
    public Task SayAsync(uint connection, FrameKind kind, byte[] payload)
    {
        lock (gate) return writing = WriteAsync(writing, new(connection, kind, payload));
    }

    private async Task WriteAsync(Task before, BrokerFrame frame)
    {
        await before;
        try
        {
            await stream.WriteAsync(frame.Header());
            await stream.WriteAsync(frame.Payload);
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or InvalidOperationException)
        {
            End();
        }
    }

    private void End()
    {
        hasEnded = true;
        foreach (var shim in shims.Values) shim.Writer.TryComplete();
    }

    private static byte[] SampleBytes(string text) => System.Text.Encoding.UTF8.GetBytes(text);
}
