using System.Buffers.Binary;

namespace NixBuildFarm.Protocol.Wire;

/// <summary>
/// Writes the body of a request in frames, each a length and so many bytes, the last of length 0. Small writes are gathered to one frame,
/// and each frame is one write. What is not completed stays without end, so that no daemon takes a part for the whole.
/// </summary>
/// <param name="destination">Where the frames go.</param>
/// <param name="cancellation">Ends every write, whatever token the caller of it has.</param>
internal sealed class FrameStream(Stream destination, CancellationToken cancellation) : AsyncStream
{
    /// <summary>Bytes of a frame at most.</summary>
    public const int FrameSize = 64 << 10;

    private const int HeaderSize = sizeof(ulong);

    // Room for the header before and for the end mark after the content.
    private readonly byte[] buffer = new byte[HeaderSize + FrameSize + HeaderSize];
    private int filled;

    /// <summary>Whether the end has been written, or is being written.</summary>
    public bool IsEnding { get; private set; }

    public override bool CanWrite => !IsEnding;

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(IsEnding, this);
        while (data.Length > 0)
        {
            cancellation.ThrowIfCancellationRequested();
            var count = Math.Min(data.Length, FrameSize - filled);
            data[..count].CopyTo(buffer.AsMemory(HeaderSize + filled));
            filled += count;
            data = data[count..];
            if (filled == FrameSize) await SendAsync(HeaderSize + TakeFrame(), cancellation);
        }
    }

    /// <summary>Sends what has been gathered, and the end.</summary>
    public ValueTask CompleteAsync(CancellationToken completion)
    {
        IsEnding = true;
        var length = filled > 0 ? HeaderSize + TakeFrame() : 0;
        buffer.AsSpan(length, HeaderSize).Clear();
        return SendAsync(length + HeaderSize, completion);
    }

    private int TakeFrame()
    {
        var length = filled;
        BinaryPrimitives.WriteUInt64LittleEndian(buffer, (ulong)length);
        filled = 0;
        return length;
    }

    private ValueTask SendAsync(int length, CancellationToken token) => destination.WriteAsync(buffer.AsMemory(0, length), token);
}
