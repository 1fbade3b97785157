using System.Globalization;
using System.Net;
using System.Net.Sockets;
using NixBuildFarm.Errors;
using NixBuildFarm.Text;

namespace NixBuildFarm.Builders.Listing;

/// <summary>
/// The store URI of a builder: <c>ssh-ng://user@host:port?name=value&amp;…</c>, a bare host, or one of the words for this machine. Parts
/// that OpenSSH or a shell could take for an option or a command are refused here.
/// </summary>
internal sealed class BuilderUri
{
    private const string DaemonSocket = "/nix/var/nix/daemon-socket/socket";
    private const string InvalidUri = "InvalidStoreUri";
    private const int LongestName = 255;
    private static readonly string[] Schemes = ["ssh-ng", "ssh"];

    private BuilderUri(string text, StoreScheme scheme, string host)
    {
        Text = text;
        Scheme = scheme;
        Host = host;
    }

    /// <summary>The whole URI; a bare host has got its <c>ssh://</c>.</summary>
    public string Text { get; }

    public StoreScheme Scheme { get; private init; }

    /// <summary>Alias, name or address, an IPv6 address without brackets.</summary>
    public string Host { get; }

    public string? User { get; private init; }

    public int? Port { get; private set; }

    public string? IdentityFile { get; private set; }

    public string? HostKey { get; private set; }

    public bool Compress { get; private set; }

    public string? RemoteStore { get; private set; }

    public IReadOnlyList<string> RemoteProgram { get; private set; } = [];

    public int? MaxConnections { get; private set; }

    public IReadOnlyList<string> SystemFeatures { get; private set; } = [];

    /// <summary>A parameter in whose value another one seems to be; null: none.</summary>
    public string? DoubtfulParameter { get; private set; }

    /// <summary>The parameters that have an effect.</summary>
    public static IReadOnlyList<string> Parameters { get; } =
        [
            "ssh-key", "base64-ssh-public-host-key", "compress", "remote-store", "remote-program", "max-connections", "port",
            "system-features",
        ];

    /// <summary>The parameters that have no effect.</summary>
    public IReadOnlyList<string> IgnoredParameters { get; private set; } = [];

    /// <summary>Reads a store URI.</summary>
    /// <exception cref="NixBuildFarmException">It is none, or none of a builder; the message never repeats a password.</exception>
    public static BuilderUri Parse(string text)
    {
        var queryStart = text.IndexOf('?');
        var (address, query) = queryStart < 0 ? (text, "") : (text[..queryStart], text[(queryStart + 1)..]);
        var uri = ParseAddress(text, address);
        uri.ReadParameters(query);
        return uri;
    }

    private static BuilderUri ParseAddress(string text, string address)
    {
        if (address is "" or "auto" or "daemon" or "local") return Local(text);
        if (!address.Contains('/')) return ParseSsh("ssh://" + text, StoreScheme.Ssh, address);

        var schemeEnd = address.IndexOf("://", StringComparison.Ordinal);
        if (schemeEnd < 0) throw NotABuilder($"{Printable.Quote(address)} is a path");
        var rest = address[(schemeEnd + 3)..];
        switch (address[..schemeEnd])
        {
            case "ssh":
                return ParseSsh(text, StoreScheme.Ssh, rest);
            case "ssh-ng":
                return ParseSsh(text, StoreScheme.SshNg, rest);
            case "unix" when rest is "" or DaemonSocket:
            case "local" when rest is "":
                return Local(text);
            case "unix" or "local":
                throw OtherLocalStore();
            case var other:
                throw NotABuilder(
                    $"{Printable.Quote(other + "://")} is no place to build",
                    CloseNames.To(other, Schemes) is [var close, ..]
                        ? $"Did you mean {close}://? Schemes are written in small letters."
                        : null);
        }
    }

    private static BuilderUri Local(string text) => new(text, StoreScheme.Local, "localhost");

    private static BuilderUri ParseSsh(string text, StoreScheme scheme, string address)
    {
        if (address.Contains("://", StringComparison.Ordinal))
        {
            throw Invalid("a scheme stands in it twice", $"Write {Printable.Escaped(address)}.");
        }
        var slash = address.IndexOf('/');
        if (slash >= 0 && slash < address.Length - 1) throw Invalid("a path follows the host; a builder's URI has none");
        var authority = address.TrimEnd('/');

        // As in ssh, the user ends at the last @.
        var at = authority.LastIndexOf('@');
        var user = at < 0 ? null : ReadUser(authority[..at]);
        var (host, port) = ReadHost(authority[(at + 1)..]);
        CheckHost(host);

        // Nix takes exactly this host for the local machine. With a user or a port it is a forwarded builder.
        return host == "localhost" && user is null && port is null
            ? Local(text)
            : new BuilderUri(text, scheme, host) { User = user, Port = port };
    }

    private static string ReadUser(string text)
    {
        if (text.Contains(':')) throw Invalid("a password stands before the host", "Remove it, and use an SSH key.");
        var user = Unescape(text);
        if (user.Length == 0) throw Invalid("no user stands before the “@”");
        if (user[0] == '-') throw Invalid($"the user {Printable.Quote(user)} begins with a dash");
        if (user.Length > LongestName) throw Invalid($"the user is longer than {LongestName} characters");
        foreach (var c in user)
        {
            if (!char.IsLetterOrDigit(c) && c is not ('.' or '_' or '-' or '+' or '@' or '\\'))
            {
                throw Invalid($"the user {Printable.Quote(user)} has the character {Printable.Quote(c.ToString())}");
            }
        }
        return user;
    }

    private static (string Host, int? Port) ReadHost(string text)
    {
        if (text.StartsWith('['))
        {
            var end = text.IndexOf(']');
            if (end < 0) throw Invalid("no “]” follows the “[”");
            var address = ReadAddress(text[1..end]) ?? throw Invalid($"{Printable.Quote(text[1..end])} is no IPv6 address");
            var after = text[(end + 1)..];
            if (after.Length > 0 && after[0] != ':') throw Invalid($"{Printable.Quote(after)} follows the address");
            return (address, after.Length == 0 ? null : ReadPort(after[1..]));
        }
        // An IPv6 address without brackets, as older Nix takes it, has no port.
        if (text.IndexOf(':') != text.LastIndexOf(':'))
        {
            return (ReadAddress(text) ?? throw Invalid($"{Printable.Quote(text)} is no host, no IPv6 address and no host:port"), null);
        }
        var colon = text.IndexOf(':');
        return colon < 0 ? (text, null) : (text[..colon], ReadPort(text[(colon + 1)..]));
    }

    /// <summary>An IPv6 address, its zone's percent sign bare or escaped; null when it is none.</summary>
    private static string? ReadAddress(string text)
    {
        text = text.Replace("%25", "%", StringComparison.Ordinal);
        return IPAddress.TryParse(text, out var address) && address.AddressFamily == AddressFamily.InterNetworkV6 ? text : null;
    }

    private static int ReadPort(string text) =>
        text.Length == 0 ? throw Invalid("no port follows the “:”", "Write a number from 1 to 65535, or no “:”.")
        : int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port is > 0 and <= ushort.MaxValue
            ? port
            : throw Invalid($"{Printable.Quote(text)} is no port", "A port is a number from 1 to 65535.");

    private static void CheckHost(string host)
    {
        if (host.Length == 0) throw Invalid("there is no host");
        if (host[0] == '-') throw Invalid($"the host {Printable.Quote(host)} begins with a dash, and ssh would take it for an option");
        if (host.Length > LongestName) throw Invalid($"the host is longer than {LongestName} characters");
        foreach (var c in host)
        {
            // Only an IPv6 address has a colon, and with it perhaps a zone: fe80::1%eth0.
            if (!char.IsLetterOrDigit(c) && c is not ('.' or '-' or '_') && !(host.Contains(':') && c is (':' or '%')))
            {
                if (c == ',')
                {
                    throw Invalid(
                        $"the host {Printable.Quote(host)} has the character “,”",
                        "Each builder has an entry of its own: a line, or what stands before a “;”.");
                }
                throw Invalid($"the host {Printable.Quote(host)} has the character {Printable.Quote(c.ToString())}");
            }
        }
    }

    private void ReadParameters(string query)
    {
        var ignored = new List<string>();
        var seen = new HashSet<string>();
        foreach (var pair in query.Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var equals = pair.IndexOf('=');
            if (equals < 0) throw Invalid($"the parameter {Printable.Quote(pair)} has no “=”");
            var (name, value) = (Unescape(pair[..equals]), Unescape(pair[(equals + 1)..]));
            if (!seen.Add(name)) throw Invalid($"the parameter {Printable.Quote(name)} is given twice");
            if (!ReadParameter(name, value)) ignored.Add(name);
            if (value.Contains('?', StringComparison.Ordinal) && name != "remote-store") DoubtfulParameter = name;
        }
        // A local store elsewhere, e.g. local?root=/mnt, is not the store of this machine's daemon.
        if (Scheme == StoreScheme.Local && (ignored.Count > 0 || RemoteStore is not null)) throw OtherLocalStore();
        IgnoredParameters = ignored;
    }

    private bool ReadParameter(string name, string value)
    {
        if (value.Any(char.IsControl)) throw Invalid($"the parameter {Printable.Quote(name)} has a control character");
        switch (name)
        {
            case "ssh-key":
                IdentityFile = value;
                return true;
            case "base64-ssh-public-host-key":
                HostKey = value.Length == 0 ? null : HostKeyLine.Decode(value);
                return true;
            case "compress":
                Compress = ReadBoolean(name, value);
                return true;
            case "remote-store":
                RemoteStore = value is "" or "auto" ? null : value;
                return true;
            case "remote-program":
                RemoteProgram = Words(value);
                return true;
            case "max-connections":
                MaxConnections = int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var connections)
                    && connections > 0
                    ? connections
                    : throw Invalid($"the parameter “max-connections” is {Printable.Quote(value)}, not a number from 1");
                return true;
            case "port":
                var port = ReadPort(value);
                if (Port is not null && Port != port) throw Invalid($"it has two ports, {Port} and {port}");
                Port = port;
                return true;
            case "system-features":
                SystemFeatures = Words(value);
                return true;
            default:
                return false;
        }
    }

    private static bool ReadBoolean(string name, string value) => value switch
    {
        "true" or "yes" or "1" => true,
        "false" or "no" or "0" => false,
        _ => throw Invalid($"the parameter {Printable.Quote(name)} is {Printable.Quote(value)}, neither “true” nor “false”"),
    };

    private static string[] Words(string value) => value.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);

    private static string Unescape(string text)
    {
        for (var i = text.IndexOf('%'); i >= 0; i = text.IndexOf('%', i + 1))
        {
            if (i + 2 >= text.Length || !char.IsAsciiHexDigit(text[i + 1]) || !char.IsAsciiHexDigit(text[i + 2]))
            {
                throw Invalid($"no two hexadecimal digits follow a “%” in {Printable.Quote(text)}", "Write a percent sign as %25.");
            }
        }
        return Uri.UnescapeDataString(text);
    }

    private static NixBuildFarmException Invalid(string reason, string? recommendation = null) =>
        new(InvalidUri, reason, recommendation ?? "Write ssh-ng://user@host:port, where user and port may be missing.");

    private static NixBuildFarmException NotABuilder(string reason, string? recommendation = null) =>
        new(
            "UnsupportedStore",
            $"{reason}: builders are ssh://, ssh-ng:// and this machine",
            recommendation ?? "Write ssh-ng://user@host:port, where user and port may be missing.");

    private static NixBuildFarmException OtherLocalStore() =>
        new(
            "UnsupportedStore",
            $"this is another store of this machine: only its own, behind {DaemonSocket}, is a builder",
            "Remove the entry: this machine is the builder “local” without one.");
}
