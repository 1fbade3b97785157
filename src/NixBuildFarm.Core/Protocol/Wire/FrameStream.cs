using System.Buffers.Binary;

namespace NixBuildFarm.Protocol.Wire;

/// <summary>
/// Sends requests with bodies, one after the other. A body is in frames, each a length and so many bytes, the last of length 0. Whatever is
/// small, be it writes, bodies or requests, is gathered to large sends. A body that is not ended stays without its last frame, so that
/// no daemon takes a part for the whole.
/// </summary>
internal sealed class FrameStream(Stream destination, int bufferSize = FrameStream.DefaultBufferSize) : AsyncStream
{
    private const int DefaultBufferSize = 64 << 10;

    /// <summary>So much is sent as it is: gathering it would only copy it.</summary>
    private const int Large = 32 << 10;
    private const int HeaderSize = sizeof(ulong);
    private const int None = -1;

    private readonly byte[] buffer = new byte[bufferSize];
    private int filled;
    private int frame = None; // Where the header of the frame is that is being filled.

    /// <summary>How many bodies have been ended.</summary>
    public int EndedBodies { get; private set; }

    public override bool CanWrite => true;

    /// <summary>Begins a request; the following writes are its body.</summary>
    public async ValueTask BeginAsync(ReadOnlyMemory<byte> request, CancellationToken cancellation)
    {
        if (request.Length > buffer.Length - filled) await SendAsync(cancellation);
        if (request.Length > buffer.Length)
        {
            await destination.WriteAsync(request, cancellation);
            return;
        }
        request.CopyTo(buffer.AsMemory(filled));
        filled += request.Length;
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken = default)
    {
        if (data.Length >= Large && buffer.Length > HeaderSize)
        {
            await SendLargeAsync(data, cancellationToken);
            return;
        }
        while (data.Length > 0)
        {
            if (frame == None)
            {
                if (buffer.Length - filled <= HeaderSize) await SendAsync(cancellationToken);
                frame = filled;
                filled += HeaderSize;
            }
            var count = Math.Min(data.Length, buffer.Length - filled);
            data.Span[..count].CopyTo(buffer.AsSpan(filled));
            filled += count;
            data = data[count..];
            if (filled == buffer.Length) await SendAsync(cancellationToken);
        }
    }

    /// <summary>Ends the body. Nothing need be sent by that.</summary>
    public async ValueTask EndAsync(CancellationToken cancellation)
    {
        if (buffer.Length - filled < HeaderSize) await SendAsync(cancellation);
        CloseFrame();
        buffer.AsSpan(filled, HeaderSize).Clear();
        filled += HeaderSize;
        EndedBodies++;
    }

    /// <summary>Sends the buffered bytes.</summary>
    public async ValueTask SendAsync(CancellationToken cancellation)
    {
        CloseFrame();
        if (filled > 0) await destination.WriteAsync(buffer.AsMemory(0, filled), cancellation);
        filled = 0;
    }

    private async ValueTask SendLargeAsync(ReadOnlyMemory<byte> data, CancellationToken cancellation)
    {
        if (buffer.Length - filled < HeaderSize) await SendAsync(cancellation);
        CloseFrame();
        BinaryPrimitives.WriteInt64LittleEndian(buffer.AsSpan(filled), data.Length);
        filled += HeaderSize;
        await SendAsync(cancellation);
        await destination.WriteAsync(data, cancellation);
    }

    private void CloseFrame()
    {
        if (frame == None) return;
        BinaryPrimitives.WriteInt64LittleEndian(buffer.AsSpan(frame), filled - frame - HeaderSize);
        frame = None;
    }
}
