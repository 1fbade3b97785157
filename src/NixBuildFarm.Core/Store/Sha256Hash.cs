using NixBuildFarm.Text;

namespace NixBuildFarm.Store;

/// <summary>A SHA-256 digest of 32 bytes, such as the hash of a NAR.</summary>
internal readonly struct Sha256Hash : IEquatable<Sha256Hash>
{
    /// <summary>Bytes of a digest.</summary>
    public const int Length = 32;

    private const string Algorithm = "sha256";

    private readonly byte[]? bytes;

    /// <summary>Takes a digest of 32 bytes.</summary>
    /// <exception cref="ArgumentException">Not 32 bytes.</exception>
    public Sha256Hash(ReadOnlySpan<byte> digest)
    {
        if (digest.Length != Length)
        {
            throw new ArgumentException($"A SHA-256 digest has {Length} bytes, not {digest.Length}.", nameof(digest));
        }
        bytes = digest.ToArray();
    }

    /// <summary>The digest.</summary>
    public ReadOnlySpan<byte> Bytes => bytes ?? new byte[Length];

    /// <summary>
    /// Reads any of the forms in which Nix writes a SHA-256: <c>sha256:</c> and hex, Nix's base 32 or base 64, or SRI, i.e. <c>sha256-</c>
    /// and base 64.
    /// </summary>
    /// <exception cref="FormatException">Anything else.</exception>
    public static Sha256Hash Parse(string text)
    {
        if (!text.StartsWith(Algorithm, StringComparison.Ordinal) || text.Length == Algorithm.Length
            || text[Algorithm.Length] is not (':' or '-'))
        {
            throw Wrong(text, "it does not begin with sha256: or sha256-");
        }

        var digest = text[(Algorithm.Length + 1)..];
        if (text[Algorithm.Length] == ':')
        {
            if (digest.Length == 2 * Length) return ParseHex(digest);
            if (digest.Length == NixBase32.LengthOf(Length)) return new(NixBase32.Decode(digest));
        }
        return ParseBase64(digest, text);
    }

    /// <summary>Reads 64 hex digits, as the worker protocol sends them.</summary>
    /// <exception cref="FormatException">Anything else.</exception>
    public static Sha256Hash ParseHex(string text)
    {
        if (text.Length != 2 * Length || !text.All(char.IsAsciiHexDigit)) throw Wrong(text, $"{2 * Length} hex digits expected");
        return new(Convert.FromHexString(text));
    }

    /// <summary>
    /// All of it folded into fewer bytes, as Nix makes hashes of paths. [compressHash in src/libutil/hash.cc of NixOS/nix]
    /// </summary>
    public void Fold(Span<byte> folded)
    {
        folded.Clear();
        for (var i = 0; i < Length; i++) folded[i % folded.Length] ^= Bytes[i];
    }

    /// <summary>64 lower-case hex digits.</summary>
    public string ToHex() => Convert.ToHexString(Bytes).ToLowerInvariant();

    /// <summary>52 digits of Nix's base 32, as store paths and the serve protocol have them.</summary>
    public string ToBase32() => NixBase32.Encode(Bytes);

    /// <inheritdoc/>
    public bool Equals(Sha256Hash other) => Bytes.SequenceEqual(other.Bytes);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Sha256Hash other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => BitConverter.ToInt32(Bytes);

    /// <summary><c>sha256:</c> and the hex digits.</summary>
    public override string ToString() => $"{Algorithm}:{ToHex()}";

#pragma warning disable CS1591 // The operators say what their names say.
    public static bool operator ==(Sha256Hash left, Sha256Hash right) => left.Equals(right);
    public static bool operator !=(Sha256Hash left, Sha256Hash right) => !left.Equals(right);
#pragma warning restore CS1591

    private static Sha256Hash ParseBase64(string digest, string text)
    {
        var decoded = new byte[Length];
        return Convert.TryFromBase64String(digest, decoded, out var count) && count == Length && Convert.ToBase64String(decoded) == digest
            ? new(decoded)
            : throw Wrong(text, $"it is not {Length} bytes in hex, in Nix's base 32 or in base 64");
    }

    private static FormatException Wrong(string text, string problem) =>
        new($"“{Printable.Replaced(text)}” is no SHA-256 digest: {problem}.");
}
