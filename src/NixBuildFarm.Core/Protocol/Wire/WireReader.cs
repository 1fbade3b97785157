using System.Buffers;
using System.Buffers.Binary;
using NixBuildFarm.Store;
using NixBuildFarm.Text;

namespace NixBuildFarm.Protocol.Wire;

/// <summary>
/// Decodes the primitives of the worker protocol from a stream, through one buffer. Malformed data, and a stream that ends too early, are a
/// <see cref="WireException"/>.
/// </summary>
internal sealed class WireReader(Stream stream, int bufferSize = WireReader.DefaultBufferSize)
{
    /// <summary>Bytes that are read at once at most.</summary>
    public const int DefaultBufferSize = 64 << 10;

    private readonly byte[] buffer = new byte[bufferSize];
    private int start;
    private int end;
    private long room = WireLimits.Message;

    /// <summary>Whether something can be read without waiting.</summary>
    public bool HasBuffered => Buffered > 0;

    private int Buffered => end - start;

    /// <summary>A new message begins, which may be as large again.</summary>
    public void BeginMessage() => room = WireLimits.Message;

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

    /// <summary>The number of items that follow, at most <paramref name="limit"/>.</summary>
    public async ValueTask<int> ReadCountAsync(CancellationToken cancellation, int limit = WireLimits.Items)
    {
        var count = await ReadUInt64Async(cancellation);
        return count <= (ulong)limit
            ? (int)count
            : throw new WireException($"A list of {count} items is too long: {limit} are allowed here.");
    }

    /// <summary>A text of at most <paramref name="limit"/> bytes, which need not be UTF-8.</summary>
    public async ValueTask<string> ReadStringAsync(int limit, CancellationToken cancellation)
    {
        var announced = await ReadUInt64Async(cancellation);
        if (announced > (ulong)limit) throw new WireException($"A text of {announced} bytes is too long: {limit} are allowed here.");
        var length = (int)announced;
        Take(length);
        var padded = WireFormat.Padded(length);
        if (padded > buffer.Length) return await ReadLongStringAsync(length, cancellation);
        if (Buffered < padded) await FillAsync(padded, cancellation);
        var text = NixText.GetString(buffer.AsSpan(start, length));
        CheckPadding(buffer.AsSpan(start + length, padded - length));
        start += padded;
        return text;
    }

    /// <summary>A text for people, of any length; of a long one the beginning, and how much more there was.</summary>
    public async ValueTask<string> ReadBeginningAsync(CancellationToken cancellation)
    {
        var length = await ReadLengthAsync(cancellation);
        var kept = (int)Math.Min(length, WireLimits.Shown);
        Take(kept);
        var beginning = await ReadPieceAsync(kept, cancellation);
        await PassOverAsync(length - kept, cancellation);
        await ReadPaddingAsync(length, cancellation);
        return length == kept ? beginning : $"{beginning}… ({length - kept} bytes more)";
    }

    /// <summary>The length of a text for people, which is then read in pieces.</summary>
    public async ValueTask<long> ReadLengthAsync(CancellationToken cancellation)
    {
        var length = await ReadUInt64Async(cancellation);
        return length <= WireLimits.Cut
            ? (long)length
            : throw new WireException($"A text of {length} bytes is too long: {WireLimits.Cut} are allowed here.");
    }

    /// <summary>So many bytes of a text.</summary>
    public async ValueTask<string> ReadPieceAsync(int length, CancellationToken cancellation)
    {
        if (length > buffer.Length) return NixText.GetString((await ReadBytesAsync(length, cancellation)).WrittenSpan);
        if (Buffered < length) await FillAsync(length, cancellation);
        var piece = NixText.GetString(buffer.AsSpan(start, length));
        start += length;
        return piece;
    }

    /// <summary>The padding after a text of this length.</summary>
    public async ValueTask ReadPaddingAsync(long length, CancellationToken cancellation)
    {
        var padding = WireFormat.Padding(length);
        if (Buffered < padding) await FillAsync(padding, cancellation);
        CheckPadding(buffer.AsSpan(start, padding));
        start += padding;
    }

    /// <summary>Texts, at most <paramref name="count"/> of them, of at most <paramref name="limit"/> bytes each.</summary>
    public async ValueTask<IReadOnlyList<string>> ReadStringsAsync(int limit, CancellationToken cancellation, int count = WireLimits.Items)
    {
        count = await ReadCountAsync(cancellation, count);
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
            : throw new WireException($"“{Printable.Replaced(text)}” is not a store path.");
    }

    /// <summary>Store paths, at most <paramref name="limit"/>, in the order in which they come.</summary>
    public async ValueTask<IReadOnlyList<StorePath>> ReadStorePathsAsync(CancellationToken cancellation, int limit = WireLimits.Items)
    {
        var count = await ReadCountAsync(cancellation, limit);
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

    /// <summary>Waits until there is something to read, and takes nothing.</summary>
    /// <returns>False at the end of the stream.</returns>
    public async ValueTask<bool> WaitAsync(CancellationToken cancellation)
    {
        if (HasBuffered) return true;
        start = end = 0;
        end = await stream.ReadAsync(buffer, cancellation);
        return HasBuffered;
    }

    /// <summary>Passes over bytes that have been peeked at.</summary>
    public void Skip(int count) => start += count;

    /// <summary>
    /// Some raw bytes; 0 at the end of the stream. A cancelled read may still write to the memory, which therefore must not be used again
    /// then.
    /// </summary>
    public ValueTask<int> ReadRawAsync(Memory<byte> destination, CancellationToken cancellation)
    {
        return Buffered > 0 || destination.Length == 0 ? new(TakeBuffered(destination.Span))
            // As large as the buffer: through it, each byte would be copied once more.
            : destination.Length >= buffer.Length ? stream.ReadAsync(destination, cancellation)
            : Slow();

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
        var bytes = await ReadBytesAsync(length, cancellation);
        await ReadPaddingAsync(length, cancellation);
        return NixText.GetString(bytes.WrittenSpan);
    }

    private async ValueTask<ArrayBufferWriter<byte>> ReadBytesAsync(int length, CancellationToken cancellation)
    {
        var bytes = new ArrayBufferWriter<byte>(DefaultBufferSize);
        while (bytes.WrittenCount < length)
        {
            var wanted = Math.Min(length - bytes.WrittenCount, DefaultBufferSize);
            var count = await ReadRawAsync(bytes.GetMemory(wanted)[..wanted], cancellation);
            if (count == 0) throw WireException.Ended();
            bytes.Advance(count);
        }
        return bytes;
    }

    private async ValueTask PassOverAsync(long count, CancellationToken cancellation)
    {
        while (count > 0)
        {
            if (Buffered == 0) await FillAsync(1, cancellation);
            var passed = (int)Math.Min(count, Buffered);
            start += passed;
            count -= passed;
        }
    }

    /// <summary>Counts the memory of a message, so that no mixture of lists and texts fills it.</summary>
    private void Take(int bytes)
    {
        room -= bytes + WireLimits.Item;
        if (room < 0) throw new WireException($"A message has more than {WireLimits.Message} bytes.");
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
