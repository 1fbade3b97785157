using System.Buffers;
using NixBuildFarm.Ssh.Connection;

namespace NixBuildFarm.Ssh.Program;

/// <summary>
/// Writes to the input of a program, in large pieces and on a thread that may block. .NET's own asynchronous writes wake the thread pool
/// for every few KiB that the program has taken, and a pool that has been woken spins. One writer at a time.
/// </summary>
/// <param name="pipe">The input. It belongs to the caller.</param>
internal sealed class PipeInput(Stream pipe)
{
    /// <summary>The size of a piece, in bytes. One is written while the next is gathered.</summary>
    private const int Piece = 512 * 1024;

    private readonly object gate = new();
    private byte[]? gathered;
    private int count;
    private bool isWriting;
    private Exception? failure;
    private TaskCompletionSource? room;

    /// <summary>Ends when all is written that was given so far, or when that has failed.</summary>
    public Task Written { get; private set; } = Task.CompletedTask;

    /// <summary>Takes bytes, as soon as there is room for them. They are written in their time.</summary>
    /// <exception cref="IOException">The program takes no more.</exception>
    public async ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellation)
    {
        while (!data.IsEmpty)
        {
            cancellation.ThrowIfCancellationRequested();
            Task hasRoom;
            lock (gate)
            {
                if (failure is not null) throw new IOException(failure.Message, failure);
                data = data[Gather(data.Span)..];
                if (!isWriting)
                {
                    isWriting = true;
                    Written = BlockingTaskScheduler.Run(Write);
                }
                if (data.IsEmpty) return;
                hasRoom = (room ??= new(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
            }
            await hasRoom.WaitAsync(cancellation);
        }
    }

    /// <summary>Gathers as much as there is room for.</summary>
    private int Gather(ReadOnlySpan<byte> data)
    {
        var fits = Math.Min(data.Length, Piece - count);
        if (fits == 0) return 0;
        gathered ??= ArrayPool<byte>.Shared.Rent(Piece);
        data[..fits].CopyTo(gathered.AsSpan(count));
        count += fits;
        return fits;
    }

    private void Write()
    {
        try
        {
            while (TryTake(out var piece))
            {
                pipe.Write(piece);
                ArrayPool<byte>.Shared.Return(piece.Array!);
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            lock (gate)
            {
                failure = e;
                room?.TrySetResult();
            }
        }
    }

    private bool TryTake(out ArraySegment<byte> piece)
    {
        lock (gate)
        {
            piece = new(gathered ?? [], 0, count);
            (gathered, count) = (null, 0);
            room?.TrySetResult();
            room = null;
            return isWriting = piece.Count > 0;
        }
    }
}
