using NixBuildFarm.Errors;

namespace NixBuildFarm.Ssh.Multiplexing;

// What the user of the channel reads and writes.
internal sealed partial class MuxChannel
{
    private async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellation)
    {
        var count = await received.ReadAsync(buffer, cancellation);
        if (count > 0)
        {
            await GrantAsync(count).WaitAsync(cancellation);
            return count;
        }
        if (!buffer.IsEmpty && await ProblemAsync(cancellation) is { } problem) throw problem;
        return 0;
    }

    private async ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellation)
    {
        while (!data.IsEmpty)
        {
            var count = await TakeWindowAsync(data.Length, cancellation);
            if (count == 0) throw await ProblemAsync(cancellation) ?? peer.Lost();
            try
            {
                await mux.SendAsync(SshMessageKind.Data, new SshMessageWriter().Number(theirNumber).Bytes, data[..count])
                    .WaitAsync(cancellation);
            }
            catch (IOException e)
            {
                throw await ProblemAsync(cancellation) ?? peer.Lost(e);
            }
            data = data[count..];
        }
    }

    // How much may be sent now; 0: nothing any more.
    private async ValueTask<int> TakeWindowAsync(int wanted, CancellationToken cancellation)
    {
        while (true)
        {
            Task grows;
            lock (gate)
            {
                if (isEnded || isDisposed != 0) return 0;
                if (theirWindow > 0)
                {
                    var count = (int)Math.Min(Math.Min(wanted, MuxSocket.MostData), Math.Min(theirWindow, theirMost));
                    theirWindow -= count;
                    return count;
                }
                windowGrows ??= new(TaskCreationOptions.RunContinuationsAsynchronously);
                grows = windowGrows.Task;
            }
            await grows.WaitAsync(cancellation);
        }
    }

    // Why the stream has ended; null: because the other end has closed it, as it should.
    private async Task<BuilderException?> ProblemAsync(CancellationToken cancellation)
    {
        await closed.Task.WaitAsync(cancellation);
        if (!isOrderly) return peer.Lost();
        if (peer.Command is not { } command) return received.IsUntouched ? peer.Errors.DaemonHangsUp(peer.SocketPath!) : null;
        return peer.Errors.Ended(command, signal, exitCode, ErrorOutput, received.IsUntouched);
    }
}
