using NixBuildFarm.Errors;
using NixBuildFarm.Ssh.Channels;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Ssh.Multiplexing;

/// <summary>
/// A channel of SSH's connection protocol [RFC 4254], over a control connection of its own: to a command, or straight to a socket of the
/// server's machine [PROTOCOL of OpenSSH, <c>direct-streamlocal@openssh.com</c>]. Closing it closes the socket, or the command's input.
/// </summary>
internal sealed partial class MuxChannel : IBuilderChannel
{
    /// <summary>Unread bytes that the server may send: the window, as much as OpenSSH's own.</summary>
    private const int Window = 2 << 20;

    /// <summary>So much is read before the server is told: soon enough that it need not wait, and not for every packet.</summary>
    private const int Step = Window / 4;

    private const uint OurNumber = 0;
    private const uint StandardError = 1;

    private readonly MuxSocket mux;
    private readonly MuxPeer peer;
    private readonly ErrorTail errorTail = new();
    private readonly ReceiveBuffer received = new(2 * Window, Timeout.InfiniteTimeSpan, static () => false);
    private readonly object gate = new();
    private readonly TaskCompletionSource<string?> opening = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<bool> started = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task receiving = Task.CompletedTask;
    private TaskCompletionSource? windowGrows;
    private uint theirNumber, theirMost;
    private long theirWindow;
    private int unannounced;
    private int? exitCode;
    private string? signal;
    private bool hasClosed, isOrderly, isEnded;
    private int isDisposed;

    private MuxChannel(MuxSocket mux, MuxPeer peer)
    {
        this.mux = mux;
        this.peer = peer;
        Stream = new ChannelStream(ReadAsync, WriteAsync);
    }

    /// <inheritdoc/>
    public Stream Stream { get; }

    /// <inheritdoc/>
    public string ErrorOutput => errorTail.ToString();

    /// <inheritdoc/>
    public bool IsDaemonSocket => peer.Command is null;

    /// <summary>Called when the channel has been closed.</summary>
    public Action? Closed { get; set; }

    /// <summary>Opens a channel.</summary>
    /// <param name="controlSocket">Where the ssh program listens.</param>
    /// <param name="peer">What is at its other end.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="MuxRefusedException">The program or the server refuses.</exception>
    /// <exception cref="BuilderException">The connection to the server is lost.</exception>
    public static async Task<MuxChannel> OpenAsync(string controlSocket, MuxPeer peer, CancellationToken cancellation)
    {
        MuxChannel channel;
        try
        {
            channel = new MuxChannel(await MuxSocket.ConnectAsync(controlSocket, cancellation), peer);
        }
        catch (IOException e)
        {
            throw peer.Lost(e);
        }
        try
        {
            channel.receiving = channel.ReceiveAsync();
            await channel.OpenAsync(cancellation);
            return channel;
        }
        catch (IOException e)
        {
            await channel.DisposeAsync();
            throw peer.Lost(e);
        }
        catch
        {
            _ = channel.CloseLaterAsync();
            throw;
        }
    }

    // OpenSSH ends, with all its channels, when a control connection is closed whose channel was refused, or is neither refused nor open
    // yet: it wants to close that too, and has no number for it (“no remote id”). So such a connection stays until ssh ends.
    private async Task CloseLaterAsync()
    {
        await ((Task)opening.Task).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (opening.Task is { IsCompletedSuccessfully: true, Result: { } }) return;
        await DisposeAsync();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref isDisposed, 1) != 0) return;
        received.Close();
        // Without its control connection the program closes the channel, whatever it holds.
        mux.Dispose();
        await receiving;
        Closed?.Invoke();
    }

    private async Task OpenAsync(CancellationToken cancellation)
    {
        var open = new SshMessageWriter()
            .Text(peer.Command is null ? "direct-streamlocal@openssh.com" : "session")
            .Number(OurNumber).Number(Window).Number(MuxSocket.MostData);
        if (peer.Command is null) open.Text(peer.SocketPath!).Text("").Number(0);
        await mux.SendAsync(SshMessageKind.Open, open.Bytes);
        if (await opening.Task.WaitAsync(cancellation) is { } refusal) throw new MuxRefusedException(refusal, MuxRefusal.OfChannel);
        if (peer.Command is not { } command) return;
        await mux.SendAsync(
            SshMessageKind.Request, new SshMessageWriter().Number(theirNumber).Text("exec").Flag(true).Text(command).Bytes);
        if (!await started.Task.WaitAsync(cancellation)) throw new MuxRefusedException("it runs no command", MuxRefusal.OfCommand);
    }

    private async Task ReceiveAsync()
    {
        Exception? reason = null;
        try
        {
            while (!hasClosed && await mux.ReceiveAsync() is var (kind, fields)) await TakeAsync(kind, fields);
        }
        catch (Exception e) when (e is IOException or InvalidDataException)
        {
            reason = e;
        }
        WriteNoMore();
        var lost = new IOException(reason?.Message ?? "the ssh program has ended", reason);
        opening.TrySetException(lost);
        started.TrySetException(lost);
        // The finaliser need not tell what nobody waits for.
        _ = (opening.Task.Exception, started.Task.Exception);
        received.End();
        closed.TrySetResult();
        mux.Dispose();
    }

    private Task TakeAsync(SshMessageKind kind, ReadOnlyMemory<byte> fields)
    {
        var message = new SshMessageReader(fields.Span);
        message.Number(); // ours: there is only one
        switch (kind)
        {
            case SshMessageKind.OpenConfirmation:
                (theirNumber, theirWindow, theirMost) = (message.Number(), message.Number(), message.Number());
                if (theirMost == 0) throw new InvalidDataException("the server takes no data");
                opening.TrySetResult(null);
                break;
            case SshMessageKind.OpenFailure:
                message.Number();
                opening.TrySetResult(message.Text());
                break;
            case SshMessageKind.Success:
                started.TrySetResult(true);
                break;
            case SshMessageKind.Failure:
                started.TrySetResult(false);
                break;
            case SshMessageKind.WindowAdjust:
                Widen(message.Number());
                break;
            case SshMessageKind.Data:
                received.Write(message.Bytes());
                break;
            case SshMessageKind.ExtendedData when message.Number() == StandardError:
                var words = message.Bytes();
                errorTail.Append(words);
                return GrantAsync(words.Length);
            case SshMessageKind.Eof:
                received.End();
                // A daemon is done with a socket as a whole; the server would notice when it writes to it.
                if (peer.Command is null) EndInOrder();
                break;
            case SshMessageKind.Close:
                hasClosed = true;
                WriteNoMore();
                EndInOrder();
                return SendAsync(SshMessageKind.Close, new SshMessageWriter().Number(theirNumber));
            case SshMessageKind.Request:
                return AnswerAsync(ref message);
        }
        return Task.CompletedTask;
    }

    private void WriteNoMore()
    {
        lock (gate)
        {
            isEnded = true;
            windowGrows?.TrySetResult();
        }
    }

    private void EndInOrder()
    {
        isOrderly = true;
        closed.TrySetResult();
    }

    private Task AnswerAsync(ref SshMessageReader message)
    {
        var name = message.Text();
        var wantsAnswer = message.Flag();
        if (name == "exit-status") exitCode = (int)message.Number();
        if (name == "exit-signal") signal = message.Text();
        // OpenSSH's keep-alives are such questions: that they are answered is all that it wants to know.
        return wantsAnswer ? SendAsync(SshMessageKind.Failure, new SshMessageWriter().Number(theirNumber)) : Task.CompletedTask;
    }

    private void Widen(uint more)
    {
        lock (gate)
        {
            theirWindow += more;
            windowGrows?.TrySetResult();
            windowGrows = null;
        }
    }

    // The server may send as much again.
    private Task GrantAsync(int count)
    {
        if (Interlocked.Add(ref unannounced, count) < Step) return Task.CompletedTask;
        return SendAsync(
            SshMessageKind.WindowAdjust,
            new SshMessageWriter().Number(theirNumber).Number((uint)Interlocked.Exchange(ref unannounced, 0)));
    }

    private async Task SendAsync(SshMessageKind kind, SshMessageWriter fields)
    {
        try
        {
            await mux.SendAsync(kind, fields.Bytes);
        }
        catch (IOException)
        {
            // Who reads is told.
        }
    }
}
