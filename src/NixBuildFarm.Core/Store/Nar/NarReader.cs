using NixBuildFarm.Errors;

namespace NixBuildFarm.Store.Nar;

/// <summary>Takes a NAR out of a stream that may go on after it, in bounded memory whatever its size.</summary>
public static class NarReader
{
    /// <summary>
    /// Copies one NAR, checking its structure, and reads not one byte more. Where the copying fails, part of it may be written.
    /// Call it with <see cref="Stream.Null"/> to learn a NAR's hash and size.
    /// </summary>
    /// <returns>Hash and size of what was copied.</returns>
    /// <exception cref="NarException">The stream holds no NAR, or ends before it does.</exception>
    public static Task<NarDigest> CopyAsync(Stream source, Stream destination, CancellationToken cancellation) =>
        ReadAsync(source, destination, hashes: true, extraction: null, cancellation);

    /// <summary>The same without the digest, for a destination that sees to it: hashing costs as much as all the rest.</summary>
    /// <exception cref="NarException">The stream holds no NAR, or ends before it does.</exception>
    public static Task PassAsync(Stream source, Stream destination, CancellationToken cancellation) =>
        ReadAsync(source, destination, hashes: false, extraction: null, cancellation);

    /// <summary>
    /// Makes the file system tree of one NAR at a path where nothing is yet, and reads not one byte more. No link is followed,
    /// nothing that exists is opened, and where it fails nothing is left behind.
    /// </summary>
    /// <returns>Hash and size of the NAR.</returns>
    /// <exception cref="NarException">The stream holds no NAR, or ends before it does.</exception>
    /// <exception cref="IOException">The path exists, or the file system refuses.</exception>
    /// <exception cref="NixBuildFarmException">A name is not UTF-8, or two names are one on this file system.</exception>
    public static async Task<NarDigest> ExtractAsync(Stream source, string path, CancellationToken cancellation)
    {
        using var extraction = new NarExtraction(path);
        var digest = await ReadAsync(source, Stream.Null, hashes: true, extraction, cancellation);
        extraction.Keep();
        return digest;
    }

    private static async Task<NarDigest> ReadAsync(
        Stream source, Stream destination, bool hashes, NarExtraction? extraction, CancellationToken cancellation)
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
            Parse(parser, free.Span[..count], extraction);
            sink.Advance(count);
        }
        return await sink.CompleteAsync(cancellation);
    }

    private static void Parse(NarParser parser, ReadOnlySpan<byte> data, NarExtraction? extraction)
    {
        while (parser.Read(ref data, out var payload) is var token and not NarToken.None)
        {
            extraction?.Apply(token, payload, parser.IsExecutable);
        }
    }
}
