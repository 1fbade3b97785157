using System.Text;
using Renci.SshNet.Common;

namespace NixBuildFarm.Ssh.Identities;

/// <summary>
/// The unencrypted part of a private key file in OpenSSH's own format (PROTOCOL.key): whether it has a passphrase, and the public key.
/// </summary>
/// <param name="IsEncrypted">Whether a passphrase protects the private key.</param>
/// <param name="PublicKey">The public key as SSH sends it.</param>
internal sealed record OpenSshKeyHeader(bool IsEncrypted, byte[] PublicKey)
{
    private const string Begin = "-----BEGIN OPENSSH PRIVATE KEY-----";
    private const string End = "-----END OPENSSH PRIVATE KEY-----";
    private const string Magic = "openssh-key-v1\0";

    /// <summary>Whether the key lives in a FIDO token, of which the file is only a handle.</summary>
    public bool IsInToken => Type.StartsWith("sk-", StringComparison.Ordinal);

    /// <summary>The key's type, e.g. <c>ssh-ed25519</c>.</summary>
    public string Type => new SshDataStream(PublicKey).ReadString(Encoding.ASCII);

    /// <summary>Reads the text of a private key file; null where it is in another format, or malformed.</summary>
    public static OpenSshKeyHeader? Read(string text)
    {
        var start = text.IndexOf(Begin, StringComparison.Ordinal);
        var end = text.IndexOf(End, StringComparison.Ordinal);
        if (start < 0 || end < start) return null;
        try
        {
            var bytes = Convert.FromBase64String(text[(start + Begin.Length)..end]);
            if (!bytes.AsSpan().StartsWith(Encoding.ASCII.GetBytes(Magic))) return null;
            using var data = new SshDataStream(bytes, Magic.Length, bytes.Length - Magic.Length);
            var cipher = data.ReadString(Encoding.ASCII);
            data.ReadBinary(); // the key derivation
            data.ReadBinary(); // its options
            if (data.ReadUInt32() != 1) return null;
            var header = new OpenSshKeyHeader(cipher != "none", data.ReadBinary());
            return header.Type.Length > 0 ? header : null;
        }
        catch (Exception e) when (e is FormatException or ArgumentException or NotSupportedException)
        {
            return null;
        }
    }
}
