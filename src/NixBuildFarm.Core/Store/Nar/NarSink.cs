using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;

namespace NixBuildFarm.Store.Nar;

/// <summary>Where a NAR's bytes go: gathers them to large pieces, hashes and counts them, passes them on.</summary>
internal sealed class NarSink : IDisposable
{
    private const int Capacity = 128 * 1024;

    private readonly Stream destination;
    private readonly IncrementalHash? hash;
    private readonly byte[] buffer = ArrayPool<byte>.Shared.Rent(Capacity);
    private int filled;
    private long flushed;
    private bool isComplete;

    /// <summary>Makes a sink.</summary>
    /// <param name="destination">Where the bytes go.</param>
    /// <param name="hashes">False if the caller computes the hash: the digest then has none.</param>
    public NarSink(Stream destination, bool hashes = true)
    {
        this.destination = destination;
        hash = hashes ? IncrementalHash.CreateHash(HashAlgorithmName.SHA256) : null;
    }

    /// <summary>The part of the buffer to fill next; never empty after <see cref="ReserveAsync"/>.</summary>
    public Memory<byte> Free => buffer.AsMemory(filled, Capacity - filled);

    /// <summary>Takes the bytes that were written to the beginning of <see cref="Free"/>.</summary>
    public void Advance(int count) => filled += count;

    /// <summary>Makes room for so many bytes.</summary>
    public ValueTask ReserveAsync(int count, CancellationToken cancellation) =>
        Capacity - filled >= count ? ValueTask.CompletedTask : FlushAsync(cancellation);

    /// <summary>Writes a string: length, bytes, padding. There must be room for it.</summary>
    public void WriteText(ReadOnlySpan<byte> text)
    {
        WriteNumber(text.Length);
        text.CopyTo(Free.Span);
        Advance(text.Length);
        WritePadding(text.Length);
    }

    /// <summary>Writes 8 bytes, the least first. There must be room for them.</summary>
    public void WriteNumber(long number)
    {
        BinaryPrimitives.WriteInt64LittleEndian(Free.Span, number);
        Advance(sizeof(long));
    }

    /// <summary>Writes the zeros that follow so many bytes. There must be room for them.</summary>
    public void WritePadding(long length)
    {
        var padding = (int)(-length & 7);
        Free.Span[..padding].Clear();
        Advance(padding);
    }

    /// <summary>Flushes, and returns hash and size.</summary>
    public async Task<NarDigest> CompleteAsync(CancellationToken cancellation)
    {
        await FlushAsync(cancellation);
        isComplete = true;
        return new NarDigest(hash is null ? default : new Sha256Hash(hash.GetHashAndReset()), flushed);
    }

    public void Dispose()
    {
        hash?.Dispose();
        // A read or write that was given up may still use it.
        if (isComplete) ArrayPool<byte>.Shared.Return(buffer);
    }

    private async ValueTask FlushAsync(CancellationToken cancellation)
    {
        if (filled == 0) return;
        hash?.AppendData(buffer, 0, filled);
        await destination.WriteAsync(buffer.AsMemory(0, filled), cancellation);
        flushed += filled;
        filled = 0;
    }
}
