using System.Buffers.Binary;
using NixBuildFarm.Ssh.HostKeys;

namespace NixBuildFarm.Ssh.Identities;

/// <summary>A certificate of a user's key (PROTOCOL.certkeys), which is offered instead of the plain key.</summary>
/// <param name="Path">Its file.</param>
/// <param name="Bytes">The certificate as SSH sends it.</param>
/// <param name="PublicKey">The plain public key that it certifies, as SSH sends it.</param>
internal sealed record KeyCertificate(string Path, byte[] Bytes, byte[] PublicKey)
{
    private const string Suffix = "-cert-v01@openssh.com";

    /// <summary>Reads the text of a certificate file; null where it is something else, or malformed.</summary>
    public static KeyCertificate? Read(string path, string text)
    {
        if (!HostKey.TryParse(text, out var certificate) || !certificate.Type.EndsWith(Suffix, StringComparison.Ordinal)) return null;
        var type = certificate.Type[..^Suffix.Length];
        var plainType = type.StartsWith("sk-", StringComparison.Ordinal) ? type + "@openssh.com" : type;
        var bytes = certificate.Bytes;
        if (!Skip(bytes, 2, out var start)) return null; // type, nonce
        // How many fields a public key of each type has behind its type.
        var fields = type switch { "ssh-ed25519" => 1, "sk-ecdsa-sha2-nistp256" => 3, _ => 2 };
        if (!Skip(bytes[start..], fields, out var length)) return null;
        return new(path, bytes.ToArray(), [.. Field(plainType), .. bytes.Slice(start, length)]);
    }

    private static bool Skip(ReadOnlySpan<byte> bytes, int fields, out int length)
    {
        length = 0;
        for (var i = 0; i < fields; i++)
        {
            if (bytes.Length - length < sizeof(uint)) return false;
            var field = BinaryPrimitives.ReadUInt32BigEndian(bytes[length..]);
            if (field > bytes.Length - length - sizeof(uint)) return false;
            length += sizeof(uint) + (int)field;
        }
        return true;
    }

    private static byte[] Field(string text)
    {
        var field = new byte[sizeof(uint) + text.Length];
        BinaryPrimitives.WriteInt32BigEndian(field, text.Length);
        System.Text.Encoding.ASCII.GetBytes(text, field.AsSpan(sizeof(uint)));
        return field;
    }
}
