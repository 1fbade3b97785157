using System.Buffers;
using System.Buffers.Binary;
using NixBuildFarm.Store;

namespace NixBuildFarm.Protocol.Wire;

/// <summary>
/// Decodes the primitives of the worker protocol from the bytes of a stream, through one buffer. What the format forbids, and a stream that
/// ends too early, is a <see cref="WireException"/>.
/// </summary>
internal sealed class WireReader(Stream stream, int bufferSize = WireReader.DefaultBufferSize)
{
    /// <summary>What is read at once at most.</summary>
    public const int DefaultBufferSize = 64 << 10;

    private readonly byte[] buffer = new byte[bufferSize];
    private int start;
    private int end;

    private int Buffered => end - start;

    /// <summary>Any number.</summary>
    public ValueTask<ulong> ReadUInt64Async(CancellationToken cancellation)
    {
        return Buffered >= sizeof(ulong) ? new(Take()) : Slow();

        async ValueTask<ulong> Slow()
        {
            await FillAsync(sizeof(ulong), cancellation);
            return Take();
        }

        ulong Take()
        {
            var value = BinaryPrimitives.ReadUInt64LittleEndian(buffer.AsSpan(start));
            start += sizeof(ulong);
            return value;
        }
    }

    /// <summary>A number that <see cref="long"/> can hold, e.g. a size.</summary>
    public async ValueTask<long> ReadInt64Async(CancellationToken cancellation)
    {
        var value = await ReadUInt64Async(cancellation);
        return value <= long.MaxValue ? (long)value : throw new WireException($"The number {value} is too large.");
    }

    /// <summary>A small number, e.g. of an enumeration.</summary>
    public async ValueTask<int> ReadInt32Async(CancellationToken cancellation)
    {
        var value = await ReadUInt64Async(cancellation);
        return value <= int.MaxValue ? (int)value : throw new WireException($"The number {value} is too large.");
    }

    /// <summary>False for 0, true for anything else, as Nix reads it.</summary>
    public async ValueTask<bool> ReadBoolAsync(CancellationToken cancellation) => await ReadUInt64Async(cancellation) != 0;

    /// <summary>The number of items that follow.</summary>
    public async ValueTask<int> ReadCountAsync(CancellationToken cancellation)
    {
        var count = await ReadUInt64Async(cancellation);
        return count <= WireLimits.Items ? (int)count : throw new WireException($"A list of {count} items is too long.");
    }

    /// <summary>A text of at most <paramref name="limit"/> bytes, which need not be UTF-8.</summary>
    public async ValueTask<string> ReadStringAsync(int limit, CancellationToken cancellation)
    {
        var announced = await ReadUInt64Async(cancellation);
        if (announced > (ulong)limit) throw new WireException($"A text of {announced} bytes is too long: {limit} are allowed here.");
        var length = (int)announced;
        var padded = WireFormat.Padded(length);
        if (padded > buffer.Length) return await ReadLongStringAsync(length, cancellation);
        if (Buffered < padded) await FillAsync(padded, cancellation);
        var text = NixText.GetString(buffer.AsSpan(start, length));
        CheckPadding(buffer.AsSpan(start + length, padded - length));
        start += padded;
        return text;
    }

    /// <summary>Texts of at most <paramref name="limit"/> bytes each.</summary>
    public async ValueTask<IReadOnlyList<string>> ReadStringsAsync(int limit, CancellationToken cancellation)
    {
        var count = await ReadCountAsync(cancellation);
        var texts = new List<string>();
        for (var i = 0; i < count; i++) texts.Add(await ReadStringAsync(limit, cancellation));
        return texts;
    }

    /// <summary>A store path.</summary>
    public async ValueTask<StorePath> ReadStorePathAsync(CancellationToken cancellation) =>
        await ReadOptionalStorePathAsync(cancellation) ?? throw new WireException("A store path is missing.");

    /// <summary>A store path, or an empty text for none.</summary>
    public async ValueTask<StorePath?> ReadOptionalStorePathAsync(CancellationToken cancellation)
    {
        var text = await ReadStringAsync(WireLimits.Name, cancellation);
        if (text.Length == 0) return null;
        return StorePath.TryParse(text, out var path)
            ? path
            : throw new WireException($"“{NixText.Printable(text)}” is not a store path.");
    }

    /// <summary>Store paths in the order in which they come.</summary>
    public async ValueTask<IReadOnlyList<StorePath>> ReadStorePathsAsync(CancellationToken cancellation)
    {
        var count = await ReadCountAsync(cancellation);
        var paths = new List<StorePath>();
        for (var i = 0; i < count; i++) paths.Add(await ReadStorePathAsync(cancellation));
        return paths;
    }

    /// <summary>Store paths as a set.</summary>
    public async ValueTask<IReadOnlySet<StorePath>> ReadStorePathSetAsync(CancellationToken cancellation) =>
        (await ReadStorePathsAsync(cancellation)).ToHashSet();

    /// <summary>The number that begins so many bytes from here, without taking anything.</summary>
    public async ValueTask<ulong> PeekUInt64Async(int offset, CancellationToken cancellation)
    {
        if (Buffered < offset + sizeof(ulong)) await FillAsync(offset + sizeof(ulong), cancellation);
        return BinaryPrimitives.ReadUInt64LittleEndian(buffer.AsSpan(start + offset));
    }

    /// <summary>Passes over bytes that have been peeked at.</summary>
    public void Skip(int count) => start += count;

    /// <summary>
    /// Some bytes as they are; 0 at the end of the stream. They always pass through the buffer: a read that is given up may still write to
    /// its memory, which therefore must not be the caller's.
    /// </summary>
    public ValueTask<int> ReadRawAsync(Memory<byte> destination, CancellationToken cancellation)
    {
        return Buffered > 0 || destination.Length == 0 ? new(TakeBuffered(destination.Span)) : Slow();

        async ValueTask<int> Slow()
        {
            start = end = 0;
            end = await stream.ReadAsync(buffer, cancellation);
            return TakeBuffered(destination.Span);
        }
    }

    private int TakeBuffered(Span<byte> destination)
    {
        var count = Math.Min(Buffered, destination.Length);
        buffer.AsSpan(start, count).CopyTo(destination);
        start += count;
        return count;
    }

    private async ValueTask<string> ReadLongStringAsync(int length, CancellationToken cancellation)
    {
        var bytes = new ArrayBufferWriter<byte>(DefaultBufferSize);
        while (bytes.WrittenCount < length)
        {
            var wanted = Math.Min(length - bytes.WrittenCount, DefaultBufferSize);
            var count = await ReadRawAsync(bytes.GetMemory(wanted)[..wanted], cancellation);
            if (count == 0) throw WireException.Ended();
            bytes.Advance(count);
        }
        var padding = WireFormat.Padded(length) - length;
        if (Buffered < padding) await FillAsync(padding, cancellation);
        CheckPadding(buffer.AsSpan(start, padding));
        start += padding;
        return NixText.GetString(bytes.WrittenSpan);
    }

    /// <summary>Reads until at least <paramref name="count"/> bytes are buffered.</summary>
    private async ValueTask FillAsync(int count, CancellationToken cancellation)
    {
        if (buffer.Length - start < count)
        {
            buffer.AsSpan(start, Buffered).CopyTo(buffer);
            end -= start;
            start = 0;
        }
        while (Buffered < count)
        {
            var read = await stream.ReadAsync(buffer.AsMemory(end), cancellation);
            if (read == 0) throw WireException.Ended();
            end += read;
        }
    }

    private static void CheckPadding(ReadOnlySpan<byte> padding)
    {
        if (padding.ContainsAnyExcept((byte)0)) throw new WireException("The padding after a text is not zero.");
    }
}
