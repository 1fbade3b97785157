using System.Threading.Channels;
using NixBuildFarm.History;
using NixBuildFarm.Observing;
using NixBuildFarm.Protocol;
using NixBuildFarm.Protocol.Messages;
using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Reporting;

namespace NixBuildFarm.Serving;

/// <summary>
/// Tells a client what goes on while the farm builds for it, in the messages of Nix's daemon: builds with their builders, phases, lines of logs,
/// progress. A client that reads slowly holds nobody up: of its logs some lines are left out then.
/// </summary>
internal sealed class ClientLog : IBuildObserver, IAsyncDisposable
{
    private const int MostBytesWaiting = 16 << 20;

    private readonly Channel<byte[]> waiting = Channel.CreateUnbounded<byte[]>(new() { SingleReader = true });
    private readonly RunActivities activities;
    private readonly WireWriter writer = new();
    private readonly Task sending;
    private long bytesWaiting;
    private long left;

    public ClientLog(Stream client)
    {
        sending = SendAsync(client);
        // What was asked for itself the answer to the client is about.
        activities = new(Send) { Failure = result => result.IsRequested || !result.Status.HasFailed() ? null : FarmBuild.Describe(result) };
    }

    /// <inheritdoc/>
    public void Observe(RunNews news) => activities.Observe(news);

    /// <summary>Says that everything has ended that had begun, and sends what waits.</summary>
    public async Task EndAsync()
    {
        activities.End();
        waiting.Writer.TryComplete();
        await sending;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        waiting.Writer.TryComplete();
        await sending;
    }

    // Called by one thread at a time.
    private void Send(DaemonMessage message)
    {
        if (message is BuildLogLine line)
        {
            if (Interlocked.Read(ref bytesWaiting) > MostBytesWaiting)
            {
                left++;
                return;
            }
            if (left > 0) Put(line with { Line = $"({left} lines are left out, since they were not read in time)" });
            left = 0;
        }
        Put(message);
    }

    private void Put(DaemonMessage message)
    {
        StderrFrame.Write(writer, message);
        var bytes = writer.Written.ToArray();
        writer.Clear();
        Interlocked.Add(ref bytesWaiting, bytes.Length);
        waiting.Writer.TryWrite(bytes);
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
        }
    }
}
