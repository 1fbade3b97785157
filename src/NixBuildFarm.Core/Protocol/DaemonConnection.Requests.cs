using NixBuildFarm.Protocol.Messages;
using NixBuildFarm.Protocol.Wire;

namespace NixBuildFarm.Protocol;

// The three shapes of a request: a single one, many in flight, many with bodies.
internal sealed partial class DaemonConnection
{
    // Requests are gathered to writes of about this many bytes.
    private const int SendSize = 32 << 10;

    // How long one direction may take to come to its end after the other one has.
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(2);

    /// <summary>Sends a request and reads all that comes back.</summary>
    private Task<TReply> RequestAsync<TReply>(IRequest<TReply> request, Action<DaemonMessage>? sink, CancellationToken cancellation) =>
        ExclusiveAsync(
            async token =>
            {
                Put(request);
                await FlushAsync(token);
                return await ReceiveAsync(request, sink, token);
            },
            cancellation);

    /// <summary>
    /// Sends many requests without waiting for replies between them, and reads the replies meanwhile: neither side's buffers can fill up
    /// and hold the other up. All replies are read even where the daemon refuses some; the first refusal is then thrown.
    /// </summary>
    private Task<IReadOnlyList<TReply>> PipelineAsync<TReply>(
        IReadOnlyCollection<IRequest<TReply>> requests, CancellationToken cancellation) =>
        ExclusiveAsync(
            token => BothAsync(SendAllAsync(requests, token), ReceiveAllAsync(requests, isSent: _ => true, token)), cancellation);

    private async Task SendAllAsync<TReply>(IEnumerable<IRequest<TReply>> requests, CancellationToken token)
    {
        foreach (var request in requests)
        {
            Put(request);
            if (writer.Written.Length >= SendSize) await FlushAsync(token);
        }
        await FlushAsync(token);
    }

    /// <summary>
    /// Sends requests with bodies one after the other, without waiting for replies, and reads the daemon's messages meanwhile: it may log,
    /// or fail, at any moment.
    /// </summary>
    /// <remarks>
    /// Nix's daemon reads a body to its end even when it has failed in the middle, and says so only then [FramedSource in
    /// src/libutil/include/nix/util/serialise.hh of NixOS/nix]: both sides are in step, and the connection stays usable. An error that
    /// comes while the body is still on its way is from a daemon that did not do so. Nobody knows what it would take the rest for, so
    /// the connection is given up. So it is when a body cannot be produced: no daemon ever sees the end of it.
    /// </remarks>
    /// <param name="requests">The requests.</param>
    /// <param name="cancellation">Closes the connection.</param>
    /// <param name="accepted">Is called with the index of each request when the daemon has carried it out.</param>
    /// <param name="refused">Receives the index of each request that is refused, and the daemon's error.</param>
    private Task<IReadOnlyList<Done>> SendBodiesAsync(
        IReadOnlyCollection<RequestWithBody> requests, CancellationToken cancellation, Action<int>? accepted = null, Action<int,
        DaemonException>? refused = null)
    {
        var frames = new FrameStream(wire, options.BufferSize);
        return ExclusiveAsync(
            async token =>
            {
                using var bodies = CancellationTokenSource.CreateLinkedTokenSource(token);
                var receiving = ReceiveAllAsync(
                    [.. requests.Select(r => r.Request)], isSent: index => index < frames.EndedBodies, token, accepted, refused);
                return await BothAsync(SendAsync(bodies.Token), receiving, stopSending: () => StopBefore(requests.Count, bodies));
            },
            cancellation);

        // Where all of it has been produced, it is out already, or soon will be: both sides may still be in step.
        void StopBefore(int count, CancellationTokenSource bodies)
        {
            if (frames.EndedBodies < count) bodies.Cancel();
        }

        async Task SendAsync(CancellationToken token)
        {
            foreach (var (request, writeBodyAsync) in requests)
            {
                Put(request);
                await frames.BeginAsync(writer.Written, token);
                writer.Clear();
                await writeBodyAsync(frames, token);
                token.ThrowIfCancellationRequested();
                await frames.EndAsync(token);
            }
            await frames.SendAsync(token);
        }
    }

    private async Task<IReadOnlyList<TReply>> ReceiveAllAsync<TReply>(
        IReadOnlyCollection<IRequest<TReply>> requests, Func<int, bool> isSent, CancellationToken token, Action<int>? received = null,
        Action<int, DaemonException>? refused = null)
    {
        var replies = new List<TReply>(requests.Count);
        DaemonException? refusal = null;
        foreach (var (request, index) in requests.Select((request, index) => (request, index)))
        {
            try
            {
                replies.Add(await ReceiveAsync(request, sink: null, token));
                received?.Invoke(index);
            }
            catch (DaemonException e) when (e.Connection == this)
            {
                refused?.Invoke(index, e);
                if (!isSent(index)) throw;
                refusal ??= e;
            }
        }
        return refusal is null ? replies : throw refusal;
    }

    /// <summary>Runs both directions of a request, of which either may fail first, and leaves neither running.</summary>
    /// <param name="sending">Sends.</param>
    /// <param name="receiving">Receives.</param>
    /// <param name="stopSending">Is called when there is no use in sending further.</param>
    private async Task<TReply> BothAsync<TReply>(Task sending, Task<TReply> receiving, Action? stopSending = null)
    {
        try
        {
            var first = await Task.WhenAny(sending, receiving);
            if (receiving.IsFaulted)
            {
                stopSending?.Invoke();
                await BrieflyAsync(sending);
            }
            else if (sending.IsFaulted && wire.IsLost)
            {
                await BrieflyAsync(receiving);
            }
            // The daemon's error explains more than the loss of the connection that follows it.
            var decisive = receiving.IsFaulted ? receiving : sending;
            var hasEnded = sending.IsCompleted || receiving.IsFaulted;
            if (hasEnded && !sending.IsCompletedSuccessfully) Break(first.Exception?.InnerException ?? new OperationCanceledException());
            await decisive;
            return await receiving;
        }
        finally
        {
            await Task.WhenAll(sending, receiving).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task BrieflyAsync(Task task) => await Task.WhenAny(task, Task.Delay(Grace, options.Time));

    private void Put<TReply>(IRequest<TReply> request)
    {
        writer.WriteUInt64((ulong)request.Operation);
        request.Write(writer, Version);
    }

    private async ValueTask FlushAsync(CancellationToken token)
    {
        await wire.WriteAsync(writer.Written, token);
        writer.Clear();
    }

    private async Task<TReply> ReceiveAsync<TReply>(IRequest<TReply> request, Action<DaemonMessage>? sink, CancellationToken token)
    {
        await ReadStderrAsync(sink ?? options.Sink, token);
        reader.BeginMessage();
        return await request.ReadReplyAsync(reader, Version, token);
    }

    /// <summary>Passes on the daemon's messages until its last one.</summary>
    /// <exception cref="DaemonException">It says that it failed.</exception>
    private async Task ReadStderrAsync(Action<DaemonMessage>? sink, CancellationToken token)
    {
        while (true)
        {
            var frame = await StderrFrame.ReadAsync(reader, token, sink);
            if (frame.Error is { } error) throw Refusal(error);
            if (frame.Message is not { } message) return;
            sink?.Invoke(message);
        }
    }

    private DaemonException Refusal(DaemonError error) => new(options.Builder, error.Text, error.Level, error.Traces) { Connection = this };

    private readonly record struct RequestWithBody(IRequest<Done> Request, Func<Stream, CancellationToken, Task> WriteBodyAsync);
}
