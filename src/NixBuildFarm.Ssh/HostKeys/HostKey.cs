using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Security.Cryptography;
using System.Text;

namespace NixBuildFarm.Ssh.HostKeys;

/// <summary>A public key as SSH sends it (RFC 4253, section 6.6): its type, and the bytes that begin with that type.</summary>
internal sealed class HostKey : IEquatable<HostKey>
{
    private readonly byte[] blob;

    private HostKey(string type, byte[] blob)
    {
        Type = type;
        this.blob = blob;
    }

    /// <summary>E.g. <c>ssh-ed25519</c>.</summary>
    public string Type { get; }

    /// <summary>The bytes of the key, its type first.</summary>
    public ReadOnlySpan<byte> Bytes => blob;

    /// <summary>The length of an RSA key's modulus in bits; null: it is of another type, or malformed.</summary>
    public int? RsaBits
    {
        get
        {
            if (Type != "ssh-rsa") return null;
            var rest = blob.AsSpan();
            for (var i = 0; i < 3; i++) // type, exponent, modulus
            {
                if (rest.Length < 4 || BinaryPrimitives.ReadUInt32BigEndian(rest) is var length && length > rest.Length - 4) return null;
                if (i == 2) return checked((int)new BigInteger(rest[4..(4 + (int)length)], isBigEndian: true).GetBitLength());
                rest = rest[(4 + (int)length)..];
            }
            return null;
        }
    }

    /// <summary>The fingerprint as OpenSSH writes it: <c>SHA256:…</c>, base 64 without padding.</summary>
    public string Fingerprint => "SHA256:" + Convert.ToBase64String(SHA256.HashData(blob)).TrimEnd('=');

    /// <summary>Reads a key from the bytes that a server sends.</summary>
    public static bool TryRead(byte[] blob, [NotNullWhen(true)] out HostKey? key)
    {
        key = null;
        if (blob.Length < 4) return false;
        var length = BinaryPrimitives.ReadUInt32BigEndian(blob);
        if (length is 0 or > 64 || length > blob.Length - 4) return false;
        key = new HostKey(Encoding.ASCII.GetString(blob, 4, (int)length), blob);
        return true;
    }

    /// <summary>Reads <c>TYPE BASE64 [comment]</c>; false when the text is anything else, or says another type than its bytes.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out HostKey? key)
    {
        key = null;
        var words = text.Split([' ', '\t'], 3, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (words.Length < 2) return false;
        var bytes = new byte[words[1].Length];
        return Convert.TryFromBase64String(words[1], bytes, out var length)
            && TryRead(bytes[..length], out key)
            && key.Type == words[0];
    }

    /// <inheritdoc/>
    public bool Equals(HostKey? other) => other is not null && blob.AsSpan().SequenceEqual(other.blob);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as HostKey);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Type, blob.Length, blob[^1]);

    /// <summary>The type and the fingerprint.</summary>
    public override string ToString() => $"{Type} {Fingerprint}";
}
