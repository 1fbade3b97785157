using System.Buffers.Binary;
using System.Text;

namespace NixBuildFarm.Builders;

/// <summary>The host key column of a machines list: a whole line <c>TYPE BASE64 [comment]</c>, once more in base 64.</summary>
internal static class HostKeyLine
{
    private const string Recommendation = "Write what “base64 -w0 /etc/ssh/ssh_host_ed25519_key.pub” prints on the builder.";

    /// <summary>The line.</summary>
    /// <exception cref="NixBuildFarmException">It is no base 64, or what it holds is no public key.</exception>
    public static string Decode(string column)
    {
        if (DecodeBase64(column) is not { } bytes) throw Invalid("it is not base 64");
        var line = Encoding.UTF8.GetString(bytes).Trim();
        if (line.Any(Printable.IsUnprintable)) throw Invalid("it holds more than one line, or is no text");
        var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (words.Length < 2) throw Invalid("it does not hold a line of key type and key");
        if (DecodeBase64(words[1]) is not { } key || KeyType(key) != words[0]) throw Invalid("it does not hold a public key");
        return line;
    }

    /// <summary>RFC 4253, 6.6: a public key begins with its own type, as a string with a length of four bytes.</summary>
    private static string? KeyType(byte[] key)
    {
        if (key.Length < 4) return null;
        var length = BinaryPrimitives.ReadUInt32BigEndian(key);
        return length < key.Length - 4 ? Encoding.ASCII.GetString(key, 4, (int)length) : null;
    }

    // Nix does not ask for the padding.
    private static byte[]? DecodeBase64(string text)
    {
        text = text.TrimEnd('=');
        var bytes = new byte[text.Length];
        return Convert.TryFromBase64String(text + new string('=', -text.Length & 3), bytes, out var length) ? bytes[..length] : null;
    }

    private static NixBuildFarmException Invalid(string reason) => new("InvalidHostKey", $"this is no host key: {reason}", Recommendation);
}
