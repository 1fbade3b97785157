using System.Security.Cryptography;

namespace NixBuildFarm.Store.Nar;

/// <summary>The NAR of one file that is in memory and is not executable.</summary>
internal sealed class FileNar
{
    private static readonly byte[] Head = Words("nix-archive-1"u8.ToArray(), "("u8.ToArray(), "type"u8.ToArray(), "regular"u8.ToArray(), "contents"u8.ToArray());
    private static readonly byte[] Tail = Words(")"u8.ToArray());

    private readonly ReadOnlyMemory<byte> content;
    private readonly byte[] length;
    private readonly byte[] rest;

    /// <summary>Takes the content of the file.</summary>
    public FileNar(ReadOnlyMemory<byte> content)
    {
        this.content = content;
        length = BitConverter.GetBytes((long)content.Length);
        rest = [.. new byte[NarGrammar.Padded(content.Length) - content.Length], .. Tail];
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var part in Parts) hash.AppendData(part.Span);
        Digest = new(new(hash.GetHashAndReset()), Parts.Sum(part => (long)part.Length));
    }

    /// <summary>Its hash and size.</summary>
    public NarDigest Digest { get; }

    private IEnumerable<ReadOnlyMemory<byte>> Parts => [Head, length, content, rest];

    /// <summary>Writes it.</summary>
    public async Task WriteAsync(Stream destination, CancellationToken cancellation)
    {
        foreach (var part in Parts) await destination.WriteAsync(part, cancellation);
    }

    private static byte[] Words(params byte[][] words) =>
        [.. words.SelectMany(word => (byte[])[.. BitConverter.GetBytes((long)word.Length), .. word, .. new byte[NarGrammar.Padded(word.Length) - word.Length]])];
}
