namespace NixBuildFarm.Store.Nar;

/// <summary>Takes a NAR out of a stream that may go on after it, in bounded memory whatever its size.</summary>
internal static class NarReader
{
    /// <summary>
    /// Copies one NAR, checking its structure, and reads not one byte more. Where the copying fails, part of it may be written.
    /// Call it with <see cref="Stream.Null"/> to learn a NAR's hash and size.
    /// </summary>
    /// <returns>Hash and size of the NAR.</returns>
    /// <exception cref="NarException">The stream holds no NAR, or ends before it does.</exception>
    public static Task<NarDigest> CopyAsync(Stream source, Stream destination, CancellationToken cancellation) =>
        ReadAsync(source, destination, hashes: true, cancellation);

    /// <summary>The same without the digest, for a destination that sees to it: hashing costs as much as all the rest.</summary>
    /// <exception cref="NarException">The stream holds no NAR, or ends before it does.</exception>
    public static Task PassAsync(Stream source, Stream destination, CancellationToken cancellation) =>
        ReadAsync(source, destination, hashes: false, cancellation);

    private static async Task<NarDigest> ReadAsync(Stream source, Stream destination, bool hashes, CancellationToken cancellation)
    {
        var parser = new NarParser();
        using var sink = new NarSink(destination, hashes);
        while (!parser.IsComplete)
        {
            await sink.ReserveAsync(1, cancellation);
            var free = sink.Free;
            var wanted = (int)Math.Min(parser.MinimumRemaining, free.Length);
            var count = await source.ReadAsync(free[..wanted], cancellation);
            if (count == 0) throw parser.EndedEarly();
            Parse(parser, free.Span[..count]);
            sink.Advance(count);
        }
        return await sink.CompleteAsync(cancellation);
    }

    private static void Parse(NarParser parser, ReadOnlySpan<byte> data)
    {
        while (parser.Read(ref data, out _) is not NarToken.None)
        {
            // The bytes go on as they are; the structure is all that is looked at.
        }
    }
}
