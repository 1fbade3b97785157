using System.Buffers.Binary;
using System.Text;
using NixBuildFarm.Errors;
using NixBuildFarm.Text;

namespace NixBuildFarm.Builders.Listing;

/// <summary>
/// A host key as builders have it: a line <c>TYPE BASE64 [comment]</c>. Machines lists have that line once more in base 64.
/// </summary>
internal static class HostKeyLine
{
    private const string EncodedRecommendation = "Write what “base64 -w0 /etc/ssh/ssh_host_ed25519_key.pub” prints on the builder.";
    private const string PlainRecommendation = "Write the line that /etc/ssh/ssh_host_ed25519_key.pub has on the builder.";
    private static readonly string[] KeyTypes = ["ssh-ed25519", "ssh-rsa", "ssh-dss", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"];

    /// <summary>The line that a column of a machines list holds.</summary>
    /// <exception cref="NixBuildFarmException">It is not base 64, or its contents are no public key.</exception>
    public static string Decode(string column)
    {
        if (IsKeyType(column))
        {
            throw Invalid("it stands here as in the .pub file, and a list has it in base 64 once more", EncodedRecommendation);
        }
        if (DecodeBase64(column) is not { } bytes) throw Invalid("it is not base 64", EncodedRecommendation);
        if (KeyType(bytes) is not null)
        {
            throw Invalid(
                "it is the second word of the .pub file, and a list has the whole line in base 64 once more", EncodedRecommendation);
        }
        return Check(Encoding.UTF8.GetString(bytes), EncodedRecommendation);
    }

    /// <summary>The line, checked.</summary>
    /// <exception cref="NixBuildFarmException">It is no public key.</exception>
    public static string Read(string text) => Check(text, PlainRecommendation);

    /// <summary>The column of a machines list for a line.</summary>
    public static string Encode(string line) => Convert.ToBase64String(Encoding.UTF8.GetBytes(line));

    /// <summary>Whether a word is the type of a key, e.g. <c>ssh-ed25519</c>: how a line of a .pub file begins.</summary>
    public static bool IsKeyType(string word) => Array.Exists(KeyTypes, type => word.StartsWith(type, StringComparison.Ordinal));

    /// <summary>Whether a text is the line of a key in base 64, perhaps a damaged one.</summary>
    public static bool IsEncoded(string text) => DecodeBase64(text) is { } bytes && IsKeyType(Encoding.UTF8.GetString(bytes));

    private static string Check(string text, string recommendation)
    {
        var line = text.Trim();
        if (line.Contains("SHA256:", StringComparison.Ordinal)) throw Invalid("it holds a fingerprint, and not the key", recommendation);
        if (line.Contains('\n', StringComparison.Ordinal))
        {
            throw Invalid("it holds more than one line; a builder has one key here", recommendation);
        }
        if (line.Any(Printable.IsUnprintable)) throw Invalid("it is no text", recommendation);
        var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (words is ["@cert-authority", ..])
        {
            throw Invalid(
                "it holds a @cert-authority of known_hosts, and a list can name a single key only",
                "Write “-” here, and the line into /etc/ssh/ssh_known_hosts.");
        }
        if (words is [_, var type, ..] && IsKeyType(type))
        {
            throw Invalid("it holds a line of known_hosts, which begins with the host", recommendation);
        }
        if (words.Length < 2) throw Invalid("it does not hold a line of key type and key", recommendation);
        if (DecodeBase64(words[1]) is not { } key)
        {
            throw Invalid(
                IsKeyType(words[0]) ? "the key in it ends too early, or is no base 64" : "it does not hold a public key", recommendation);
        }
        if (KeyType(key) != words[0]) throw Invalid("it does not hold a public key", recommendation);
        if (!IsWhole(key)) throw Invalid("the key in it ends too early", recommendation);
        return line;
    }

    /// <summary>A key is a sequence of strings, each with its length before it; a truncated key ends within a string.</summary>
    private static bool IsWhole(ReadOnlySpan<byte> key)
    {
        while (key.Length >= 4)
        {
            var length = BinaryPrimitives.ReadUInt32BigEndian(key);
            if (length > key.Length - 4) return false;
            key = key[(4 + (int)length)..];
        }
        return key.IsEmpty;
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

    private static NixBuildFarmException Invalid(string reason, string recommendation) =>
        new("InvalidHostKey", $"this is no host key: {reason}", recommendation);
}
