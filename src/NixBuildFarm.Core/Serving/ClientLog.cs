using NixBuildFarm.History;
using NixBuildFarm.Observing;
using NixBuildFarm.Protocol;
using NixBuildFarm.Protocol.Messages;
using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Reporting;

namespace NixBuildFarm.Serving;

/// <summary>
/// Tells a client what goes on while the farm builds for it, in the messages of Nix's daemon: builds with their builders, phases, lines of
/// logs, progress.
/// </summary>
internal sealed class ClientLog : IBuildObserver, IAsyncDisposable
{
    private static ulong lastId = (ulong)Environment.ProcessId << 32;

    private readonly OutboundQueue queue;
    private readonly RunActivities activities;
    private readonly WireWriter writer = new();
    private long left;

    public ClientLog(Stream client)
    {
        queue = new(client);
        // What was asked for itself the answer to the client is about.
        activities = new(Send, NextId)
        {
            Failure = result => result.IsRequested || !result.Status.HasFailed() ? null : FarmBuild.Describe(result),
        };
    }

    /// <inheritdoc/>
    public void Observe(RunNews news) => activities.Observe(news);

    /// <summary>Says that everything has ended that had begun, and sends what waits.</summary>
    public ValueTask DisposeAsync()
    {
        activities.End();
        return queue.DisposeAsync();
    }

    // Unlike those that a client, or the local daemon, has for what it does itself: Nix counts from its process id as well.
    private static ulong NextId() => Interlocked.Increment(ref lastId);

    // Called by one thread at a time.
    private void Send(DaemonMessage message)
    {
        if (message is BuildLogLine line)
        {
            if (queue.IsFull)
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
        queue.Put(writer.Written.ToArray());
        writer.Clear();
    }
}
