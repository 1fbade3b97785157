using System.Buffers.Binary;
using NixBuildFarm.Protocol;
using NixBuildFarm.Protocol.Wire;
using NixBuildFarm.Store.Nar;

namespace NixBuildFarm.Serving;

/// <summary>
/// Passes one direction of the worker protocol on, byte for byte and in bounded memory, and follows its structure: so that it is known
/// where a message ends. What was passed is sent before it waits for more.
/// </summary>
internal sealed class Passage(WireReader from, Stream to, ProtocolVersion version) : AsyncStream
{
    private readonly byte[] buffer = new byte[WireReader.DefaultBufferSize];
    private int filled;

    /// <summary>The version of the protocol that both sides speak.</summary>
    public ProtocolVersion Version => version;

    public override bool CanWrite => true;

    /// <summary>Passes a number on.</summary>
    public ValueTask<ulong> NumberAsync(CancellationToken cancellation) => ReplaceAsync(static number => number, cancellation);

    /// <summary>The next number, which is not passed on yet.</summary>
    public async ValueTask<ulong> PeekAsync(CancellationToken cancellation)
    {
        if (!from.HasBuffered) await FlushAsync(cancellation);
        return await from.PeekUInt64Async(0, cancellation);
    }

    /// <summary>Passes a text of any length on.</summary>
    public async ValueTask TextAsync(CancellationToken cancellation)
    {
        var length = await NumberAsync(cancellation);
        if (length > WireLimits.Cut) throw new WireException($"A text of {length} bytes is too long: {WireLimits.Cut} are allowed here.");
        await BytesAsync((long)length + WireFormat.Padding((long)length), cancellation);
    }

    /// <summary>Passes the body of a request on, frame for frame.</summary>
    public async ValueTask FramesAsync(CancellationToken cancellation)
    {
        while (await NumberAsync(cancellation) is > 0 and var length)
        {
            if (length > long.MaxValue) throw new WireException($"A frame of {length} bytes is too long.");
            await BytesAsync((long)length, cancellation);
        }
    }

    /// <summary>Passes a NAR on, which ends where its grammar says.</summary>
    public async ValueTask NarAsync(CancellationToken cancellation)
    {
        await FlushAsync(cancellation);
        await NarReader.PassAsync(new RawStream(from), this, cancellation);
    }

    /// <summary>Passes on another number in the place of one.</summary>
    /// <returns>The number that came.</returns>
    public async ValueTask<ulong> ReplaceAsync(Func<ulong, ulong> replacement, CancellationToken cancellation)
    {
        if (!from.HasBuffered) await FlushAsync(cancellation);
        var number = await from.ReadUInt64Async(cancellation);
        await PutAsync(replacement(number), cancellation);
        return number;
    }

    /// <summary>Sends a number that did not come from the other side.</summary>
    public async ValueTask PutAsync(ulong number, CancellationToken cancellation)
    {
        if (buffer.Length - filled < sizeof(ulong)) await FlushAsync(cancellation);
        BinaryPrimitives.WriteUInt64LittleEndian(buffer.AsSpan(filled), number);
        filled += sizeof(ulong);
    }

    /// <inheritdoc/>
    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> data, CancellationToken cancellationToken = default)
    {
        if (data.Length > buffer.Length - filled) await FlushAsync(cancellationToken);
        if (data.Length > buffer.Length)
        {
            await to.WriteAsync(data, cancellationToken);
            return;
        }
        data.CopyTo(buffer.AsMemory(filled));
        filled += data.Length;
    }

    /// <inheritdoc/>
    public override async Task FlushAsync(CancellationToken cancellationToken)
    {
        if (filled == 0) return;
        await to.WriteAsync(buffer.AsMemory(0, filled), cancellationToken);
        filled = 0;
    }

    private async ValueTask BytesAsync(long count, CancellationToken cancellation)
    {
        while (count > 0)
        {
            if (filled == buffer.Length || !from.HasBuffered) await FlushAsync(cancellation);
            var room = (int)Math.Min(count, buffer.Length - filled);
            var read = await from.ReadRawAsync(buffer.AsMemory(filled, room), cancellation);
            if (read == 0) throw WireException.Ended();
            filled += read;
            count -= read;
        }
    }
}
