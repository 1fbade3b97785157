using System.Net.Sockets;
using NixBuildFarm.Errors;
using NixBuildFarm.Platform;
using Renci.SshNet;
using Renci.SshNet.Common;

namespace NixBuildFarm.Ssh.Connection;

/// <summary>One logged-in SSH connection to a builder, whose server's host key has been verified.</summary>
internal sealed class SshConnection : IAsyncDisposable
{
    private static readonly TimeSpan Farewell = TimeSpan.FromMilliseconds(300);

    /// <summary>How often in its time limit a server is looked after.</summary>
    private const int Ticks = 20;

    private readonly ServerKey serverKey;
    private readonly SshWire wire;
    private readonly SshClient client;
    private readonly CancellationTokenSource stop = new();
    private readonly Task watching;
    private readonly object sync = new();
    private readonly List<SshChannel> channels = [];
    private volatile SshTarget target;
    private BuilderException? failure;

    /// <summary>Takes over a connected and logged-in client.</summary>
    public SshConnection(SshTarget target, ServerKey serverKey, SshWire wire, SshClient client)
    {
        this.target = target;
        this.serverKey = serverKey;
        this.wire = wire;
        this.client = client;
        watching = WatchAsync(SshNetInternals.SessionOf(client));
    }

    /// <summary>Whether new channels can be opened.</summary>
    public bool IsUsable
    {
        get
        {
            lock (sync) return failure is null && !stop.IsCancellationRequested && client.IsConnected;
        }
    }

    /// <summary>Its address and login.</summary>
    public string Login => target.Login;

    /// <summary>Open channels.</summary>
    public int ChannelCount
    {
        get
        {
            lock (sync) return channels.Count;
        }
    }

    /// <summary>Whether nobody uses it any more, although programs may still have to end.</summary>
    public bool IsLeft
    {
        get
        {
            lock (sync) return channels.TrueForAll(channel => channel.IsEnding);
        }
    }

    /// <summary>Runs a command in a channel of its own; null: the server refuses another session on this connection.</summary>
    /// <exception cref="BuilderException">The connection is gone, or the server does not answer in time.</exception>
    public async Task<SshChannel?> OpenAsync(string commandLine, TimeSpan limit, CancellationToken cancellation)
    {
        var opening = BlockingTaskScheduler.Run(() => Open(commandLine));
        using var watch = new SilenceWatch(limit, TimeProvider.System, cancellation);
        try
        {
            return await opening.WaitAsync(watch.Token);
        }
        catch (OperationCanceledException) when (watch.HasRunOut && !cancellation.IsCancellationRequested)
        {
            // The others on this connection may be fine; whether the server is still there is the watchdog's question.
            _ = CloseLaterAsync(opening);
            throw target.Errors.TimedOut(limit, "opening a session");
        }
        catch (OperationCanceledException)
        {
            _ = CloseLaterAsync(opening);
            throw;
        }
    }

    /// <summary>The error of a channel whose stream has ended although its program has not.</summary>
    public BuilderException Lost(Exception? cause)
    {
        lock (sync) return failure ?? target.Errors.Lost(wire.Failure?.Message ?? cause?.Message ?? "it was closed", cause);
    }

    /// <summary>Forgets whose connection it was: those are told nothing any more.</summary>
    public void Rest() => target = target with { Options = target.Options with { Verbose = null, HasSlowLink = null, IsComplete = null } };

    /// <summary>
    /// Goes on as a connection of another target with the same login; false: it is broken, or its server is not the target's.
    /// </summary>
    public bool TryHandTo(SshTarget next)
    {
        if (!IsUsable || serverKey.Judge(next, out var decidedBy) is not null) return false;
        target = next;
        next.Say($"goes on with the connection of a moment ago; its host key {serverKey.Key} is the expected one: {decidedBy}");
        return true;
    }

    /// <summary>Forgets a channel that has been closed.</summary>
    public void Remove(SshChannel channel)
    {
        lock (sync) channels.Remove(channel);
    }

    /// <summary>Closes the connection and all its channels, in well under a second.</summary>
    public async ValueTask DisposeAsync()
    {
        await stop.CancelAsync();
        lock (sync)
        {
            foreach (var channel in channels) channel.Abandon();
        }
        // A server that answers is disconnected properly; there is no wait for one that does not.
        var leaving = BlockingTaskScheduler.Run(client.Dispose);
        await Task.WhenAny(leaving, Task.Delay(Farewell));
        await wire.DisposeAsync();
        await leaving;
        await watching;
        stop.Dispose();
    }

    private SshChannel? Open(string commandLine)
    {
        SshChannel? channel = null;
        try
        {
            channel = new SshChannel(this, target, client.CreateCommand(commandLine), () => ChannelCount > 1);
            lock (sync)
            {
                if (stop.IsCancellationRequested) channel.Abandon(); // too late: nothing may wait for its reader
                channels.Add(channel);
            }
            channel.Start();
            return channel;
        }
        catch (Exception e) when (e is SshException or SocketException or InvalidOperationException or NullReferenceException)
        {
            var isRefusal = e.GetType() == typeof(SshException) && IsUsable;
            if (channel is not null)
            {
                Remove(channel);
                channel.Discard();
            }
            return isRefusal ? null : throw Lost(e);
        }
    }

    private static async Task CloseLaterAsync(Task<SshChannel?> opening)
    {
        try
        {
            if (await opening is { } channel) await channel.DisposeAsync();
        }
        catch (BuilderException)
        {
            // The wait for this channel was cancelled.
        }
    }

    private void Break(BuilderException reason)
    {
        lock (sync)
        {
            failure ??= reason;
            foreach (var channel in channels) channel.End();
        }
        target.Say(reason.Message);
        wire.Cut();
    }

    // A server that has said nothing for a while is asked to; if it then stays silent too, it is gone. That is counted in ticks, which a
    // process that gets no processor time does not see; resuming after the process itself was stopped asks first as well.
    private async Task WatchAsync(Session session)
    {
        var limit = target.Options.SilenceTimeout;
        using var timer = new PeriodicTimer(limit / Ticks);
        var asking = Task.CompletedTask;
        var unanswered = 0;
        try
        {
            while (await timer.WaitForNextTickAsync(stop.Token))
            {
                if (wire.Silence < limit * 0.4)
                {
                    unanswered = 0;
                }
                else if (unanswered++ == 0)
                {
                    if (asking.IsCompleted) asking = BlockingTaskScheduler.Run(() => Ask(session));
                }
                else if (unanswered > Ticks / 2)
                {
                    Break(target.Errors.Silent(limit));
                    return;
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The connection is being closed.
        }
    }

    private static void Ask(Session session)
    {
        try
        {
            SshNetInternals.SendKeepAlive(session);
        }
        catch (Exception e) when (e is SshException or SocketException or ObjectDisposedException or NullReferenceException)
        {
            // The connection has ended meanwhile; its user gets an error.
        }
    }
}
