using System.Net.Sockets;
using System.Text;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Ssh.Configuration;

/// <summary>
/// The configuration that OpenSSH has resolved for one host: the output of <c>ssh -G HOST</c> (ssh_config(5) explains the words), with
/// Include and Match applied. <c>none</c> is null or an empty list; <c>~</c> and tokens are expanded.
/// </summary>
internal sealed class SshConfig
{
    // OpenSSH's default identities, in its order.
    private static readonly string[] DefaultIdentities = ["id_rsa", "id_ecdsa", "id_ed25519"];

    private readonly ILookup<string, string> values;
    private readonly SshEnvironment environment;
    private readonly string alias;

    private SshConfig(IEnumerable<KeyValuePair<string, string>> lines, string alias, SshEnvironment environment)
    {
        values = lines.ToLookup(l => l.Key, l => l.Value, StringComparer.OrdinalIgnoreCase);
        this.alias = alias;
        this.environment = environment;
    }

    /// <summary>Where to connect: a name or an address.</summary>
    public string HostName => One("hostname") ?? alias;

    /// <summary>The login name.</summary>
    public string User => One("user") ?? environment.User;

    /// <summary>The port.</summary>
    public int Port => int.TryParse(One("port"), out var port) ? port : 22;

    /// <summary>The name under which the host's key is kept, where it is not the host name.</summary>
    public string? HostKeyAlias => One("hostkeyalias");

    /// <summary>Private key files in the order in which they are tried; they need not exist.</summary>
    public IReadOnlyList<string> IdentityFiles => Files(values["identityfile"]);

    /// <summary>Certificates of identities, besides those that lie at <c>FILE-cert.pub</c>; they need not exist.</summary>
    public IReadOnlyList<string> CertificateFiles => Files(values["certificatefile"]);

    /// <summary>Whether only the identity files are offered, of the agent's keys too.</summary>
    public bool IdentitiesOnly => IsOn("identitiesonly");

    /// <summary>The socket of the key agent; null: none.</summary>
    public string? AgentSocket => One("identityagent") switch
    {
        null when values["identityagent"].Any() => null, // "none"
        null or "SSH_AUTH_SOCK" => environment.AgentSocket,
        ['$', .. var variable] => environment.Variable(variable.Trim('{', '}')),
        var path => Expand(path),
    };

    /// <summary>Host keys that the user knows.</summary>
    public IReadOnlyList<string> UserKnownHostsFiles => Files(FileList("userknownhostsfile"));

    /// <summary>Host keys that this machine's administrator knows.</summary>
    public IReadOnlyList<string> GlobalKnownHostsFiles => Files(FileList("globalknownhostsfile"));

    /// <summary>Whether SSH compresses.</summary>
    public bool Compression => IsOn("compression");

    /// <summary>The user's own limit for connecting; null: none.</summary>
    public TimeSpan? ConnectTimeout =>
        int.TryParse(One("connecttimeout"), out var seconds) && seconds > 0 ? TimeSpan.FromSeconds(seconds) : null;

    /// <summary>The effective limit for connecting: the user's own, unless a shorter limit is set firmly.</summary>
    public TimeSpan ConnectTimeoutOf(TransportOptions options) =>
        ConnectTimeout is { } own && !(options.IsConnectTimeoutFirm && options.ConnectTimeout < own) ? own : options.ConnectTimeout;

    /// <summary>Allowed ciphers; empty: whatever both sides can.</summary>
    public IReadOnlyList<string> Ciphers => Names("ciphers");

    /// <summary>Allowed message authentication codes; empty: whatever both sides can.</summary>
    public IReadOnlyList<string> Macs => Names("macs");

    /// <summary>Allowed key exchanges; empty: whatever both sides can.</summary>
    public IReadOnlyList<string> KeyExchanges => Names("kexalgorithms");

    /// <summary>Allowed host key algorithms; empty: whatever both sides can.</summary>
    public IReadOnlyList<string> HostKeyAlgorithms => Names("hostkeyalgorithms");

    /// <summary>How an authority may sign host certificates; empty: whatever both sides can.</summary>
    public IReadOnlyList<string> CaSignatureAlgorithms => Names("casignaturealgorithms");

    /// <summary>The least bits of an RSA host key.</summary>
    public int RequiredRsaSize => int.TryParse(One("requiredrsasize"), out var bits) ? bits : 1024;

    /// <summary>
    /// A sentence for errors of host keys if the user has told ssh to accept unchecked keys, which NixBuildFarm does not; else empty.
    /// </summary>
    public string UnfollowedHostKeyCheck => One("stricthostkeychecking") switch
    {
        "no" or "off" or "false" => Unfollowed("no"),
        "accept-new" => Unfollowed("accept-new"),
        _ => "",
    };

    /// <summary>The setting that lets another program connect, e.g. <c>ProxyJump bastion</c>; null: ssh connects itself.</summary>
    public string? Proxy => Setting("ProxyJump") ?? Setting("ProxyCommand");

    /// <summary>The address family to use.</summary>
    public AddressFamily AddressFamily => One("addressfamily") switch
    {
        "inet" => AddressFamily.InterNetwork,
        "inet6" => AddressFamily.InterNetworkV6,
        _ => AddressFamily.Unspecified,
    };

    /// <summary>All resolved settings but the known hosts files: host keys are verified by the present contents of those.</summary>
    public IEnumerable<string> ConnectionLines => values
        .Where(word => !word.Key.EndsWith("knownhostsfile", StringComparison.OrdinalIgnoreCase))
        .SelectMany(word => word.Select(value => $"{word.Key} {value}"));

    /// <summary>
    /// The first setting that only the ssh program itself can follow, e.g. <c>ProxyJump bastion</c>; null: there is none.
    /// </summary>
    public string? NeedsSshProgram
    {
        get
        {
            string[] beyondUs =
            [
                "ProxyJump", "ProxyCommand", "PKCS11Provider", "KnownHostsCommand", "RevokedHostKeys", "BindAddress", "BindInterface",
            ];
            return beyondUs.Select(Setting).FirstOrDefault(setting => setting is not null);
        }
    }

    /// <summary>Parses the output of <c>ssh -G</c> for a host.</summary>
    public static SshConfig Parse(string output, string alias, SshEnvironment environment)
    {
        var lines = new List<KeyValuePair<string, string>>();
        foreach (var line in output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            var space = line.IndexOf(' ', StringComparison.Ordinal);
            if (space > 0) lines.Add(new(line[..space], line[(space + 1)..].Trim()));
        }
        return new SshConfig(lines, alias, environment);
    }

    /// <summary>OpenSSH's defaults, if no ssh program is installed.</summary>
    public static SshConfig Default(string alias, string? user, int? port, string? identityFile, SshEnvironment environment)
    {
        var lines = new List<KeyValuePair<string, string>>
        {
            new("userknownhostsfile", "~/.ssh/known_hosts"),
            new("globalknownhostsfile", "/etc/ssh/ssh_known_hosts"),
        };
        if (user is not null) lines.Add(new("user", user));
        if (port is not null) lines.Add(new("port", port.Value.ToString()));
        IEnumerable<string> identities = identityFile is null ? DefaultIdentities.Select(name => "~/.ssh/" + name) : [identityFile];
        lines.AddRange(identities.Select(file => new KeyValuePair<string, string>("identityfile", file)));
        return new SshConfig(lines, alias, environment);
    }

    private static bool IsNone(string value) => value.Length == 0 || value.Equals("none", StringComparison.OrdinalIgnoreCase);

    private string? One(string word) => values[word].FirstOrDefault() is { } value && !IsNone(value) ? value : null;

    private bool IsOn(string word) => One(word) is "yes" or "true";

    private string? Setting(string word) => One(word) is { } value ? $"{word} {value}" : null;

    private static string Unfollowed(string value) =>
        $" “StrictHostKeyChecking {value}” of ssh_config is not followed: a host key that nobody has checked is never accepted.";

    private string[] Names(string word) => One(word)?.Split(',', StringSplitOptions.RemoveEmptyEntries) ?? [];

    private string[] FileList(string word) => One(word)?.Split(' ', StringSplitOptions.RemoveEmptyEntries) ?? [];

    private List<string> Files(IEnumerable<string> names) => names.Where(n => !IsNone(n)).Select(n => Expand(n.Trim('"'))).ToList();

    /// <summary>Expands a file name of the configuration.</summary>
    public string Expand(string path)
    {
        // ssh -G prints the tokens of file names unexpanded; ssh_config(5), TOKENS, explains them.
        if (path == "~" || path.StartsWith("~/", StringComparison.Ordinal)) path = environment.Home + path[1..];
        var result = new StringBuilder();
        for (var i = 0; i < path.Length; i++)
        {
            if (path[i] != '%' || i + 1 == path.Length)
            {
                result.Append(path[i]);
                continue;
            }
            i++;
            result.Append(path[i] switch
            {
                '%' => "%",
                'd' => environment.Home,
                'h' => HostName,
                'k' => HostKeyAlias ?? alias,
                'n' => alias,
                'p' => Port.ToString(),
                'r' => User,
                'u' => environment.User,
                var other => "%" + other,
            });
        }
        return result.ToString();
    }
}
