using System.Net.Sockets;
using System.Text.Json;
using NixBuildFarm.Errors;
using NixBuildFarm.Evaluation;
using NixBuildFarm.Observing;
using NixBuildFarm.Platform;
using NixBuildFarm.Protocol;
using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Serving.Control;

/// <summary>Serves the cmdlets of other sessions of this user: they give orders, ask, and stop.</summary>
internal sealed class ControlServer : IAsyncDisposable
{
    private readonly IBuildService builds;
    private readonly Func<NixFarm> status;
    private readonly Action shutdown;
    private readonly UnixListener listener;

    /// <summary>Makes a server; nobody can connect yet.</summary>
    /// <param name="socket">Where clients connect.</param>
    /// <param name="builds">Builds on the farm.</param>
    /// <param name="status">Says what the farm does.</param>
    /// <param name="shutdown">Ends the farm, soon.</param>
    /// <param name="note">Takes what is worth a line in a log.</param>
    public ControlServer(string socket, IBuildService builds, Func<NixFarm> status, Action shutdown, Action<string> note)
    {
        (this.builds, this.status, this.shutdown) = (builds, status, shutdown);
        listener = new(socket, UnixFileMode.UserRead | UnixFileMode.UserWrite, ServeAsync, note);
    }

    /// <summary>Begins to take clients.</summary>
    /// <exception cref="NixBuildFarmException">The socket cannot be made.</exception>
    public void Start() => listener.Start();

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => listener.DisposeAsync();

    private async Task ServeAsync(NetworkStream client, SocketPeer peer, CancellationToken cancellation)
    {
        if (!peer.IsThisUser && !peer.IsRoot) return;
        await using var connection = new ControlConnection(client);
        try
        {
            while (await connection.ReadAsync<ControlRequest>(cancellation) is { } request)
            {
                if (request.Build is { } order) await BuildAsync(order, Asker.Of(peer), connection, client, cancellation);
                else await connection.WriteAsync(Answer(request), cancellation);
            }
        }
        catch (WireException e)
        {
            await connection.WriteAsync(Refuse(new("NotUnderstood", e.Message)), cancellation);
        }
    }

    private ControlAnswer Answer(ControlRequest request)
    {
        if (request.Status) return new() { IsLast = true, Status = status() };
        if (request.Shutdown) shutdown();
        return request.Stop is { } run && !builds.Stop(run)
            ? Refuse(new("RunNotFound", $"No run {run} goes on in this farm.", "Get-NixBuild -State Running lists the runs that go on."))
            : new() { IsLast = true };
    }

    private async Task BuildAsync(
        BuildLine order, Asker asker, ControlConnection connection, Stream client, CancellationToken cancellation)
    {
        RequestedDerivation[] derivations = [.. order.Derivations.Select(Parse)];
        using var leaving = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        ControlAnswer last;
        var queue = new OutboundQueue(client);
        try
        {
            var ticket = builds.Begin(
                new(derivations, new StoreFolder(), order.Settings)
                {
                    Named = order.Named,
                    Asker = asker with { Priority = order.Priority },
                },
                new News(queue),
                order.IsDetached ? cancellation : leaving.Token);
            queue.Put(Line(new ControlAnswer { RunId = ticket.RunId, IsLast = order.IsDetached }));
            if (order.IsDetached)
            {
                _ = ticket.Results.ContinueWith(static ended => _ = ended.Exception, TaskScheduler.Default);
                return;
            }
            var presence = WatchAsync(connection, leaving);
            last = await EndAsync(ticket);
            await leaving.CancelAsync();
            await presence;
        }
        finally
        {
            await queue.DisposeAsync();
        }
        await connection.WriteAsync(last, cancellation);
    }

    private static async Task<ControlAnswer> EndAsync(BuildTicket ticket)
    {
        try
        {
            await ticket.Results;
            return new() { IsLast = true };
        }
        catch (NixBuildFarmException e)
        {
            return Refuse(e);
        }
        catch (OperationCanceledException)
        {
            return Refuse(new("RunStopped", $"The run {ticket.RunId} was stopped."));
        }
    }

    /// <summary>A client that waits says nothing more: what comes is its end.</summary>
    private static async Task WatchAsync(ControlConnection connection, CancellationTokenSource leaving)
    {
        try
        {
            await connection.ReadAsync<ControlRequest>(leaving.Token);
        }
        catch (Exception e) when (e is IOException or WireException or OperationCanceledException)
        {
            // It has gone, or is told that its run has ended.
        }
        await leaving.CancelAsync();
    }

    private static RequestedDerivation Parse(string text) =>
        DerivedPath.TryParse(text, out var path) && path.Outputs is { } outputs
            ? new(path.Path, outputs)
            : throw new WireException($"“{text}” is no derivation.");

    private static ControlAnswer Refuse(NixBuildFarmException error) =>
        new() { IsLast = true, Error = new(error.Id, error.Message, error.Recommendation) };

    private static byte[] Line(ControlAnswer answer) => [.. JsonSerializer.SerializeToUtf8Bytes(answer, ControlJson.Options), (byte)'\n'];

    private sealed class News(OutboundQueue queue) : IBuildObserver
    {
        public void Observe(RunNews news)
        {
            // Of a client that does not keep up, the ends of derivations are all that it cannot do without.
            if (queue.IsFull && news is not (RunNews.Ended or RunNews.Began or RunNews.Found or RunNews.Over)) return;
            if (ControlAnswer.Of(news) is { } answer) queue.Put(Line(answer));
        }
    }
}
