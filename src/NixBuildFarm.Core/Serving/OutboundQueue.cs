using System.Threading.Channels;

namespace NixBuildFarm.Serving;

/// <summary>
/// What waits to be sent to a client. Whoever puts something in never waits, so that a client that reads slowly holds nobody up; what is of
/// no great use is left out then.
/// </summary>
internal sealed class OutboundQueue : IAsyncDisposable
{
    private const int MostBytesWaiting = 16 << 20;

    private readonly Channel<byte[]> waiting = Channel.CreateUnbounded<byte[]>(new() { SingleReader = true });
    private readonly Task sending;
    private long bytesWaiting;

    public OutboundQueue(Stream client) => sending = SendAsync(client);

    /// <summary>Whether so much waits that only what is needed should be added.</summary>
    public bool IsFull => Interlocked.Read(ref bytesWaiting) > MostBytesWaiting;

    /// <summary>Has bytes sent after those before.</summary>
    public void Put(byte[] bytes)
    {
        Interlocked.Add(ref bytesWaiting, bytes.Length);
        if (!waiting.Writer.TryWrite(bytes)) Interlocked.Add(ref bytesWaiting, -bytes.Length);
    }

    /// <summary>Sends what waits; nothing can be put in after that.</summary>
    public async ValueTask DisposeAsync()
    {
        waiting.Writer.TryComplete();
        await sending;
    }

    private async Task SendAsync(Stream client)
    {
        try
        {
            await foreach (var bytes in waiting.Reader.ReadAllAsync())
            {
                await client.WriteAsync(bytes);
                Interlocked.Add(ref bytesWaiting, -bytes.Length);
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // The client is gone, which whoever reads from it learns as well.
            waiting.Writer.TryComplete();
        }
    }
}
