using System.Collections.Concurrent;
using System.Threading.Channels;
using NixBuildFarm.Sharing;

namespace NixBuildFarm.Core.Tests.Compiling;

/// <summary>A broker in this process, and the shims behind it.</summary>
internal sealed class FakeBroker(Stream stream, string greeting = "nixbuildfarm-broker 1 /run/nixbuildfarm-test\n")
{
    private readonly ConcurrentDictionary<uint, Channel<BrokerFrame>> shims = new();
    private readonly SemaphoreSlim writing = new(1);
    private readonly CancellationTokenSource ended = new();
    private uint last;

    /// <summary>Whether the coordinator, or the broker itself, has closed the channel.</summary>
    public bool HasEnded => ended.IsCancellationRequested;

    /// <summary>Serves until the coordinator closes the channel.</summary>
    public async Task RunAsync()
    {
        try
        {
            await stream.WriteAsync(System.Text.Encoding.UTF8.GetBytes(greeting));
            var header = new byte[BrokerFrame.HeaderSize];
            while (true)
            {
                await stream.ReadExactlyAsync(header, ended.Token);
                var frame = BrokerFrame.ReadHeader(header, out var length);
                var payload = new byte[length];
                await stream.ReadExactlyAsync(payload, ended.Token);
                if (shims.TryGetValue(frame.Connection, out var shim)) shim.Writer.TryWrite(frame with { Payload = payload });
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException or OddFrameException)
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
    public async Task<(uint Connection, ChannelReader<BrokerFrame> Frames)> ConnectAsync(string source, string tool = "cc1plus", string stays = "")
    {
        var connection = Interlocked.Increment(ref last);
        var frames = Channel.CreateUnbounded<BrokerFrame>();
        shims[connection] = frames;
        if (HasEnded) frames.Writer.TryComplete();
        await SayAsync(connection, FrameKind.Hello, new FieldWriter().Text(SampleBytes(tool)).Text(SampleBytes(source)).Text(SampleBytes(stays)).ToArray());
        return (connection, frames.Reader);
    }

    /// <summary>A shim says something.</summary>
    public async Task SayAsync(uint connection, FrameKind kind, byte[] payload)
    {
        await writing.WaitAsync();
        try
        {
            var frame = new BrokerFrame(connection, kind, payload);
            await stream.WriteAsync(frame.Header());
            await stream.WriteAsync(payload);
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or InvalidOperationException)
        {
            End();
        }
        finally
        {
            writing.Release();
        }
    }

    private void End()
    {
        ended.Cancel();
        foreach (var shim in shims.Values) shim.Writer.TryComplete();
    }

    private static byte[] SampleBytes(string text) => System.Text.Encoding.UTF8.GetBytes(text);
}
