namespace NixBuildFarm.Store;

/// <summary>A SHA-256 digest of 32 bytes, such as the hash of a NAR.</summary>
public readonly struct Sha256Hash : IEquatable<Sha256Hash>
{
    /// <summary>Bytes of a digest.</summary>
    public const int Length = 32;

    private readonly byte[]? bytes;

    /// <summary>Takes a digest of 32 bytes.</summary>
    /// <exception cref="ArgumentException">Not 32 bytes.</exception>
    public Sha256Hash(ReadOnlySpan<byte> digest)
    {
        if (digest.Length != Length) throw new ArgumentException($"A SHA-256 digest has {Length} bytes, not {digest.Length}.", nameof(digest));
        bytes = digest.ToArray();
    }

    /// <summary>The digest.</summary>
    public ReadOnlySpan<byte> Bytes => bytes ?? new byte[Length];

    /// <summary>Reads 64 hex digits, as the worker protocol sends them.</summary>
    /// <exception cref="FormatException">Anything else.</exception>
    public static Sha256Hash ParseHex(string text) =>
        text.Length == 2 * Length ? new(Convert.FromHexString(text)) : throw new FormatException($"“{text}” is no SHA-256 digest in hex.");

    /// <summary>64 lower-case hex digits.</summary>
    public string ToHex() => Convert.ToHexString(Bytes).ToLowerInvariant();

    /// <inheritdoc/>
    public bool Equals(Sha256Hash other) => Bytes.SequenceEqual(other.Bytes);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is Sha256Hash other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => BitConverter.ToInt32(Bytes);

    /// <summary><c>sha256:</c> and the hex digits.</summary>
    public override string ToString() => "sha256:" + ToHex();

#pragma warning disable CS1591 // The operators say what their names say.
    public static bool operator ==(Sha256Hash left, Sha256Hash right) => left.Equals(right);
    public static bool operator !=(Sha256Hash left, Sha256Hash right) => !left.Equals(right);
#pragma warning restore CS1591
}
