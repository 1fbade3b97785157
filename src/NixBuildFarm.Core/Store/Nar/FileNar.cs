using System.Security.Cryptography;
using System.Text;

namespace NixBuildFarm.Store.Nar;

/// <summary>The NAR of one file that is in memory and is not executable.</summary>
internal sealed class FileNar
{
    private static readonly byte[] Head = Words("nix-archive-1", "(", "type", "regular", "contents");
    private static readonly byte[] Tail = Words(")");

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

    private static byte[] Words(params string[] words) => [.. words.SelectMany(Word)];

    private static byte[] Word(string word)
    {
        var padding = new byte[NarGrammar.Padded(word.Length) - word.Length];
        return [.. BitConverter.GetBytes((long)word.Length), .. Encoding.ASCII.GetBytes(word), .. padding];
    }
}
