using System.Buffers.Binary;
using System.Text;

namespace NixBuildFarm.Builders;

/// <summary>A host key as builders have it: a line <c>TYPE BASE64 [comment]</c>. Machines lists have that line once more in base 64.</summary>
internal static class HostKeyLine
{
    private const string EncodedRecommendation = "Write what “base64 -w0 /etc/ssh/ssh_host_ed25519_key.pub” prints on the builder.";
    private const string PlainRecommendation = "Write the line that /etc/ssh/ssh_host_ed25519_key.pub has on the builder.";

    /// <summary>The line that a column of a machines list holds.</summary>
    /// <exception cref="NixBuildFarmException">It is no base 64, or what it holds is no public key.</exception>
    public static string Decode(string column) => DecodeBase64(column) is { } bytes
        ? Check(Encoding.UTF8.GetString(bytes), EncodedRecommendation)
        : throw Invalid("it is not base 64", EncodedRecommendation);

    /// <summary>The line, checked.</summary>
    /// <exception cref="NixBuildFarmException">It is no public key.</exception>
    public static string Read(string text) => Check(text, PlainRecommendation);

    /// <summary>The column of a machines list for a line.</summary>
    public static string Encode(string line) => Convert.ToBase64String(Encoding.UTF8.GetBytes(line));

    private static string Check(string text, string recommendation)
    {
        var line = text.Trim();
        if (line.Any(Printable.IsUnprintable)) throw Invalid("it holds more than one line, or is no text", recommendation);
        var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (words.Length < 2) throw Invalid("it does not hold a line of key type and key", recommendation);
        if (DecodeBase64(words[1]) is not { } key || KeyType(key) != words[0]) throw Invalid("it does not hold a public key", recommendation);
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

    private static NixBuildFarmException Invalid(string reason, string recommendation) => new("InvalidHostKey", $"this is no host key: {reason}", recommendation);
}
