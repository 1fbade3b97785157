using System.Buffers;

namespace NixBuildFarm.Ssh.Channels;

/// <summary>
/// The received and unread bytes of a channel. SSH.NET tells the server that there is always room, so the only way to hold a server back is
/// to block SSH.NET's receive thread: <see cref="Write"/> blocks while more than the limit is unread, and TCP does the rest. One writer,
/// one reader.
/// </summary>
internal sealed class ReceiveBuffer
{
    private const int PieceSize = 32 * 1024; // what OpenSSH puts into a packet

    private readonly object sync = new();
    private readonly Queue<Piece> unread = new();
    private readonly int limit;
    private readonly TimeSpan patience;
    private readonly Func<bool> othersWait;

    private Piece? last;
    private long unreadBytes;
    private long takenBytes;
    private bool hasEnded;
    private bool isClosed;
    private bool isGivenUp;
    private TaskCompletionSource? readerWaits;

    /// <summary>Makes a buffer.</summary>
    /// <param name="limit">Unread bytes above which the sender is held back.</param>
    /// <param name="patience">How long a reader may stand still while it holds back other channels too.</param>
    /// <param name="othersWait">Whether other channels share the connection.</param>
    public ReceiveBuffer(int limit, TimeSpan patience, Func<bool> othersWait)
    {
        this.limit = limit;
        this.patience = patience;
        this.othersWait = othersWait;
    }

    /// <summary>Whether anything has ever arrived.</summary>
    public bool IsUntouched { get; private set; } = true;

    /// <summary>
    /// Takes received bytes; blocks while the reader is behind. If that would block other channels of the connection for too long, the
    /// channel is closed instead: its reader gets an error, never a stream with a gap.
    /// </summary>
    public void Write(ReadOnlySpan<byte> data)
    {
        lock (sync)
        {
            while (unreadBytes > limit && !isClosed && !isGivenUp)
            {
                var before = takenBytes;
                if (Monitor.Wait(sync, patience) || takenBytes != before || !othersWait()) continue;
                isGivenUp = true;
                Discard();
            }
            if (!isClosed && !isGivenUp) Append(data);
            WakeReader();
        }
    }

    /// <summary>Says that nothing more will arrive.</summary>
    public void End()
    {
        lock (sync)
        {
            hasEnded = true;
            WakeReader();
        }
    }

    /// <summary>Ends the reading: unread bytes are dropped, and no writer blocks any more.</summary>
    public void Close()
    {
        lock (sync)
        {
            isClosed = true;
            Discard();
            Monitor.PulseAll(sync);
            WakeReader();
        }
    }

    /// <summary>Reads at least one byte; 0: the end of the stream.</summary>
    /// <exception cref="IOException">The channel was closed because its reader did not read.</exception>
    /// <exception cref="ObjectDisposedException">The channel is closed.</exception>
    public async ValueTask<int> ReadAsync(Memory<byte> destination, CancellationToken cancellation)
    {
        while (true)
        {
            cancellation.ThrowIfCancellationRequested();
            Task arrival;
            lock (sync)
            {
                ObjectDisposedException.ThrowIf(isClosed, this);
                if (isGivenUp) throw new IOException(
                    $"nothing was read for {patience.TotalSeconds:0} s while {limit >> 20} MiB waited, and other channels could not go on");
                if (unreadBytes > 0 || destination.IsEmpty) return Take(destination.Span);
                if (hasEnded) return 0;
                readerWaits = new(TaskCreationOptions.RunContinuationsAsynchronously);
                arrival = readerWaits.Task;
            }
            await arrival.WaitAsync(cancellation);
        }
    }

    private void Append(ReadOnlySpan<byte> data)
    {
        IsUntouched = false;
        unreadBytes += data.Length;
        while (!data.IsEmpty)
        {
            if (last is null || last.Room == 0) unread.Enqueue(last = new Piece(Math.Max(PieceSize, data.Length)));
            data = data[last.Append(data)..];
        }
    }

    private int Take(Span<byte> destination)
    {
        var taken = 0;
        while (taken < destination.Length && unread.TryPeek(out var first))
        {
            taken += first.Take(destination[taken..]);
            if (first.IsEmpty) Drop();
        }
        unreadBytes -= taken;
        takenBytes += taken;
        Monitor.PulseAll(sync);
        return taken;
    }

    private void Discard()
    {
        while (unread.Count > 0) Drop();
        unreadBytes = 0;
    }

    private void Drop()
    {
        var piece = unread.Dequeue();
        if (ReferenceEquals(piece, last)) last = null;
        piece.Return();
    }

    private void WakeReader()
    {
        readerWaits?.TrySetResult();
        readerWaits = null;
    }

    private sealed class Piece(int size)
    {
        private readonly byte[] bytes = ArrayPool<byte>.Shared.Rent(size);
        private int start;
        private int end;

        public int Room => bytes.Length - end;

        public bool IsEmpty => start == end;

        public int Append(ReadOnlySpan<byte> data)
        {
            var count = Math.Min(data.Length, Room);
            data[..count].CopyTo(bytes.AsSpan(end));
            end += count;
            return count;
        }

        public int Take(Span<byte> destination)
        {
            var count = Math.Min(destination.Length, end - start);
            bytes.AsSpan(start, count).CopyTo(destination);
            start += count;
            return count;
        }

        public void Return() => ArrayPool<byte>.Shared.Return(bytes);
    }
}
