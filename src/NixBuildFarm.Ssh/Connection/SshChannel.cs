using System.Buffers;
using System.Net.Sockets;
using NixBuildFarm.Errors;
using NixBuildFarm.Ssh.Channels;
using NixBuildFarm.Transport;
using Renci.SshNet;
using Renci.SshNet.Common;

namespace NixBuildFarm.Ssh.Connection;

/// <summary>A remote program and the stream to it. Closing it closes the program's standard input, which ends a Nix daemon.</summary>
internal sealed class SshChannel : IBuilderChannel
{
    /// <summary>Unread bytes above which the builder is held back.</summary>
    public const int Backlog = 4 * 1024 * 1024;

    private const int LongestWrite = 64 * 1024;
    private static readonly TimeSpan Farewell = TimeSpan.FromMilliseconds(300);

    /// <summary>
    /// How long the user waits for a program to end after a run that is complete, since the next run then saves a login; and how long it
    /// may take after that.
    /// </summary>
    private static readonly TimeSpan LongFarewell = TimeSpan.FromSeconds(2), LongestFarewell = TimeSpan.FromSeconds(30);

    private readonly SshConnection connection;
    private readonly SshErrors errors;
    private readonly Func<bool>? isComplete;
    private readonly SshCommand command;
    private readonly ReceiveBuffer received;
    private readonly ErrorTail errorTail = new();
    private Task execution = Task.CompletedTask;
    private Task writing = Task.CompletedTask;
    private Stream? input;
    private int isDisposed;

    /// <summary>Makes the channel of a command that has not been started.</summary>
    public SshChannel(SshConnection connection, SshTarget target, SshCommand command, Func<bool> sharesConnection)
    {
        this.connection = connection;
        this.command = command;
        errors = target.Errors;
        isComplete = target.Options.IsComplete;
        received = new ReceiveBuffer(Backlog, target.Options.SilenceTimeout, sharesConnection);
        Stream = new ChannelStream(ReadAsync, WriteAsync);
        SshNetInternals.Redirect(command, new SinkStream(received.Write, received.End), new SinkStream(errorTail.Append, () => { }));
    }

    /// <inheritdoc/>
    public Stream Stream { get; }

    /// <inheritdoc/>
    public string ErrorOutput => errorTail.ToString();

    /// <summary>Called when the channel has been closed; tells whether its program had ended by then.</summary>
    public Action<bool>? Closed { get; set; }

    /// <summary>Whether its user is done with it.</summary>
    public bool IsEnding => Volatile.Read(ref isDisposed) != 0;

    /// <summary>Starts the command. Blocks until the server has accepted it.</summary>
    public void Start()
    {
        execution = command.ExecuteAsync();
        _ = execution.ContinueWith(static t => _ = t.Exception, TaskScheduler.Default); // the reader is told, not the finaliser
        try
        {
            input = command.CreateInputStream();
        }
        catch (InvalidOperationException)
        {
            // The program has ended already; reading tells how.
        }
    }

    /// <summary>Ends the stream; received bytes can still be read.</summary>
    public void End() => received.End();

    /// <summary>Drops all received and future bytes, so that nothing waits for this channel's reader.</summary>
    public void Abandon() => received.Close();

    /// <summary>Undoes a start that has failed.</summary>
    public void Discard()
    {
        Abandon();
        command.Dispose();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref isDisposed, 1) != 0) return;
        Abandon();
        // The end of its input lets the program end by itself, so that the connection is known to be free again.
        var isWriting = !writing.IsCompleted;
        if (!isWriting && input is not null)
        {
            await BlockingTaskScheduler.Run(CloseInput).WaitAsync(Farewell).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            var mayBeKept = isComplete?.Invoke() == true;
            await execution.WaitAsync(mayBeKept ? LongFarewell : Farewell).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (mayBeKept && !execution.IsCompleted)
            {
                _ = EndLaterAsync();
                return;
            }
        }
        await EndAsync(hasEnded: !isWriting && execution.IsCompletedSuccessfully);
    }

    private async Task EndLaterAsync()
    {
        await execution.WaitAsync(LongestFarewell).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await EndAsync(execution.IsCompletedSuccessfully);
    }

    private async Task EndAsync(bool hasEnded)
    {
        await BlockingTaskScheduler.Run(command.Dispose).WaitAsync(Farewell).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        connection.Remove(this);
        Closed?.Invoke(hasEnded);
    }

    private void CloseInput()
    {
        try
        {
            input!.Dispose();
        }
        catch (Exception e) when (IsOfBrokenConnection(e))
        {
            // No one is left to receive it.
        }
    }

    private async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellation)
    {
        int count;
        try
        {
            count = await received.ReadAsync(buffer, cancellation);
        }
        catch (IOException e)
        {
            throw errors.Lost(e.Message, e);
        }
        if (count == 0 && !buffer.IsEmpty && Problem() is { } problem) throw problem;
        return count;
    }

    // A copy is written, on a thread that may block: the caller can give up at any time and have its buffer back.
    private async ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellation)
    {
        while (!data.IsEmpty)
        {
            cancellation.ThrowIfCancellationRequested();
            ObjectDisposedException.ThrowIf(isDisposed != 0, this);
            if (!writing.IsCompleted) throw errors.Lost("an earlier write was given up");
            if (input is null || execution.IsCompleted) throw Ended();
            var count = Math.Min(data.Length, LongestWrite);
            var copy = ArrayPool<byte>.Shared.Rent(count);
            data[..count].CopyTo(copy);
            writing = BlockingTaskScheduler.Run(() => Write(copy, count));
            // SSH.NET goes on waiting for room in a program that has ended.
            if (await Task.WhenAny(writing, execution).WaitAsync(cancellation) != writing) throw Ended();
            await writing;
            data = data[count..];
        }
    }

    private void Write(byte[] copy, int count)
    {
        try
        {
            input!.Write(copy, 0, count);
            ArrayPool<byte>.Shared.Return(copy);
        }
        catch (Exception e) when (IsOfBrokenConnection(e))
        {
            throw connection.Lost(e);
        }
    }

    // The writer needs the reason why no one reads.
    private BuilderException Ended() => Problem() ?? errors.Lost($"“{command.CommandText}” has ended with exit code {command.ExitStatus}");

    // Why the stream has ended; null: because the program has, as it should.
    private BuilderException? Problem()
    {
        if (!execution.IsCompletedSuccessfully) return connection.Lost(execution.Exception?.InnerException);
        return errors.Ended(command.CommandText, command.ExitSignal, command.ExitStatus, ErrorOutput, received.IsUntouched);
    }

    private static bool IsOfBrokenConnection(Exception e) =>
        e is SshException or SocketException or ObjectDisposedException or InvalidOperationException or NullReferenceException;
}
