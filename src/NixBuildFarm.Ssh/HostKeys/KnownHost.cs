using System.Diagnostics.CodeAnalysis;
using System.IO.Enumeration;
using System.Security.Cryptography;
using System.Text;

namespace NixBuildFarm.Ssh.HostKeys;

/// <summary>The marker of a line in known_hosts.</summary>
internal enum KnownHostMarker
{
    /// <summary>It is the host's key.</summary>
    None,

    /// <summary>It signs host certificates (<c>@cert-authority</c>).</summary>
    CertAuthority,

    /// <summary>It must never be accepted (<c>@revoked</c>).</summary>
    Revoked,
}

/// <summary>One line of a known_hosts file (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT).</summary>
internal sealed class KnownHost
{
    private readonly string patterns;

    private KnownHost(KnownHostMarker marker, string hosts, HostKey key, string file, int line)
    {
        Marker = marker;
        patterns = hosts;
        Key = key;
        FileName = file;
        Line = line;
    }

    /// <summary>The marker of the line.</summary>
    public KnownHostMarker Marker { get; }

    /// <summary>The key.</summary>
    public HostKey Key { get; }

    /// <summary>The file that the line stands in.</summary>
    public string FileName { get; }

    /// <summary>The number of the line, from 1.</summary>
    public int Line { get; }

    /// <summary>Where the line stands: <c>FILE:LINE</c>.</summary>
    public string Place => $"{FileName}:{Line}";

    /// <summary>Reads a line; false for comments, blank lines and, as OpenSSH does, lines that are malformed.</summary>
    public static bool TryParse(string text, string file, int line, [NotNullWhen(true)] out KnownHost? result)
    {
        result = null;
        var rest = text.Trim();
        if (rest.Length == 0 || rest[0] == '#') return false;
        var marker = KnownHostMarker.None;
        if (rest[0] == '@')
        {
            switch (NextWord(ref rest))
            {
                case "@cert-authority": marker = KnownHostMarker.CertAuthority; break;
                case "@revoked": marker = KnownHostMarker.Revoked; break;
                default: return false;
            }
        }
        var hosts = NextWord(ref rest);
        if (!HostKey.TryParse(rest, out var key)) return false;
        result = new KnownHost(marker, hosts, key, file, line);
        return true;
    }

    /// <summary>
    /// Whether the line is about a host: <paramref name="name"/> is <c>host</c>, or <c>[host]:port</c> where the port is not 22.
    /// </summary>
    public bool Covers(string name)
    {
        if (patterns.StartsWith("|1|", StringComparison.Ordinal)) return IsHashOf(name);
        var found = false;
        foreach (var pattern in patterns.Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            var negated = pattern[0] == '!';
            if (!FileSystemName.MatchesSimpleExpression(negated ? pattern.AsSpan(1) : pattern, name, ignoreCase: true)) continue;
            if (negated) return false;
            found = true;
        }
        return found;
    }

    // Written by ssh-keygen -H: |1|SALT|HMAC-SHA1 of the name, both in base 64. SHA-1 is the file's format, not our choice.
    [SuppressMessage("Security", "CA5350", Justification = "The format of known_hosts says HMAC-SHA1.")]
    private bool IsHashOf(string name)
    {
        var parts = patterns.Split('|');
        if (parts.Length != 4) return false;
        Span<byte> salt = stackalloc byte[64];
        Span<byte> hash = stackalloc byte[64];
        return Convert.TryFromBase64String(parts[2], salt, out var saltLength)
            && Convert.TryFromBase64String(parts[3], hash, out var hashLength)
            && HMACSHA1.HashData(salt[..saltLength], Encoding.UTF8.GetBytes(name)).AsSpan().SequenceEqual(hash[..hashLength]);
    }

    private static string NextWord(ref string rest)
    {
        var end = rest.IndexOfAny([' ', '\t']);
        var word = end < 0 ? rest : rest[..end];
        rest = end < 0 ? "" : rest[end..].TrimStart();
        return word;
    }
}
