using System.Security;
using NixBuildFarm.Builders;
using NixBuildFarm.Ssh.Configuration;
using NixBuildFarm.Ssh.HostKeys;
using Renci.SshNet;
using Renci.SshNet.Common;

namespace NixBuildFarm.Ssh.Identities;

/// <summary>
/// Finds the keys to log in with, as <c>ssh -i FILE</c> does: the builder's own file, those of ssh_config, then the agent's.
/// A file that cannot be used is passed over, and named where the login fails. Where a file is not there or cannot be read, its public
/// half (<c>FILE.pub</c>) says which key of the agent is meant.
/// </summary>
internal sealed class IdentitySource
{
    private readonly NixBuilder builder;
    private readonly SshConfig config;
    private readonly SecureString? passphrase;
    private readonly Action<string> verbose;
    private readonly Lazy<IReadOnlyList<KeyCertificate>> certificates;
    private readonly Lazy<IReadOnlyList<KeyFile>> files;

    /// <summary>Makes the source of one builder's keys; nothing is read yet.</summary>
    public IdentitySource(NixBuilder builder, SshConfig config, SecureString? passphrase, Action<string> verbose)
    {
        this.builder = builder;
        this.config = config;
        this.passphrase = passphrase;
        this.verbose = verbose;
        certificates = new(ReadCertificates);
        files = new(ReadFiles);
    }

    private string? OwnFile => builder.IdentityFile is { } own ? config.Expand(own) : null;

    /// <summary>
    /// Why the ssh program must log in instead: the only key is in a FIDO token, and no agent signs with it. Null: we can.
    /// </summary>
    public string? NeedsSshProgram(CancellationToken cancellation)
    {
        if (files.Value.Any(f => f.Identity is not null)) return null;
        if (files.Value.FirstOrDefault(f => f.IsInToken) is not { } token) return null;
        return AgentIdentities(cancellation).Any(token.IsHeldAs) ? null : $"{token.Path} is the key of a FIDO token";
    }

    /// <summary>
    /// The keys in the order in which they are offered, and why files are not among them. The agent is asked anew every time.
    /// </summary>
    public (IReadOnlyList<Identity> Identities, IReadOnlyList<KeyProblem> Unused) Load(CancellationToken cancellation)
    {
        var agent = AgentIdentities(cancellation);
        var (identities, unused) = (new List<Identity>(), new List<KeyProblem>());
        foreach (var file in files.Value)
        {
            if ((file.Identity ?? agent.FirstOrDefault(file.IsHeldAs)) is { } usable)
            {
                identities.Add(usable); // perhaps locked in the file, or not in it at all, and unlocked in the agent
                continue;
            }
            verbose(file.Problem!.Message);
            unused.Add(file.Problem);
        }
        if (!config.IdentitiesOnly)
        {
            identities.AddRange(agent.Where(a => !identities.Exists(i => i.PublicKey.AsSpan().SequenceEqual(a.PublicKey))));
        }
        return (identities, unused);
    }

    private List<Identity> AgentIdentities(CancellationToken cancellation) => config.AgentSocket is { } socket
        ? SshAgent.Identities(socket, verbose, cancellation).Select(Certified).ToList()
        : [];

    private Identity Certified(Identity held) =>
        CertificateOf(held.PublicKey) is { } certificate && held.HostKeyAlgorithms.OfType<SshAgent.AgentKey>().FirstOrDefault() is { } key
            ? new Identity(held.Description, [key.With(certificate), key])
            : held;

    private KeyCertificate? CertificateOf(byte[] publicKey) =>
        certificates.Value.FirstOrDefault(c => c.PublicKey.AsSpan().SequenceEqual(publicKey));

    private IEnumerable<string> Paths() => (OwnFile is { } own ? config.IdentityFiles.Prepend(own) : config.IdentityFiles).Distinct();

    private List<KeyCertificate> ReadCertificates() =>
        [.. Paths().Select(path => path + "-cert.pub").Concat(config.CertificateFiles).Select(ReadCertificate).OfType<KeyCertificate>()];

    private KeyCertificate? ReadCertificate(string path) => ReadText(path) is { } text ? KeyCertificate.Read(path, text) : null;

    // Default identities of ssh_config need not exist.
    private List<KeyFile> ReadFiles() =>
        Paths().Where(path => path == OwnFile || File.Exists(path) || File.Exists(path + ".pub")).Select(Read).ToList();

    private KeyFile Read(string path)
    {
        string text;
        try
        {
            text = File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            var isMissing = e is FileNotFoundException or DirectoryNotFoundException;
            return new(path, PublicHalf(path), Problem(
                path,
                isMissing ? "does not exist" : $"cannot be read by {Environment.UserName}",
                (isMissing ? $"Correct the key file where the builder is configured ({builder.Source})." : "Leave it to its owner.")
                    + UseYourOwn));
        }
        if (HostKey.TryParse(text, out var shared))
        {
            return new(path, shared.Bytes.ToArray(), Problem(
                path,
                "is a public key, and no key agent holds its private half",
                $"Add the private key to your key agent (ssh-add), or name its file instead.{UseYourOwn}"));
        }
        WarnOfPermissions(path);
        var header = OpenSshKeyHeader.Read(text);
        var publicKey = header?.PublicKey ?? PublicHalf(path);
        try
        {
            return new(path, publicKey, null, Open(path));
        }
        catch (SshPassPhraseNullOrEmptyException)
        {
            var problem = Problem(
                path,
                "is encrypted, and there is no passphrase for it",
                $"Add it to your key agent: ssh-add {path}; or give its passphrase: -Credential.");
            return new(path, publicKey, problem) { IsInToken = header?.IsInToken == true };
        }
        catch (Exception e) when (e is SshException or NotSupportedException or FormatException or ArgumentException or IOException
            or InvalidOperationException or System.Security.Cryptography.CryptographicException)
        {
            var wrongPassphrase = passphrase is not null && header is not { IsEncrypted: false };
            var problem = Problem(
                path,
                wrongPassphrase
                    ? "cannot be decrypted with the passphrase that was given"
                    : $"is not a private key that can be used: {e.Message.TrimEnd('.')}",
                wrongPassphrase
                    ? "Give the right passphrase, or add the key to your key agent."
                    : "Use a key made by ssh-keygen -t ed25519.");
            return new(path, publicKey, problem) { IsInToken = header?.IsInToken == true };
        }
    }

    private Identity Open(string path)
    {
        var secret = passphrase is null ? null : new System.Net.NetworkCredential("", passphrase).Password;
        var plain = new Identity(path, new PrivateKeyFile(path, secret).HostKeyAlgorithms);
        return CertificateOf(plain.PublicKey) is { } certificate
            ? new Identity(path, new PrivateKeyFile(path, secret, certificate.Path).HostKeyAlgorithms)
            : plain;
    }

    private static byte[]? PublicHalf(string path) =>
        ReadText(path + ".pub") is { } text && HostKey.TryParse(text, out var key) ? key.Bytes.ToArray() : null;

    private static string? ReadText(string path)
    {
        try
        {
            return File.Exists(path) ? File.ReadAllText(path) : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private void WarnOfPermissions(string path)
    {
        const UnixFileMode others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;
        if (OperatingSystem.IsWindows() || (File.GetUnixFileMode(path) & others) == UnixFileMode.None) return;
        verbose($"the private key {path} is open to others; ssh itself would refuse it: chmod 600 {path}");
    }

    private string UseYourOwn =>
        $" To log in with a key of your own: Set-NixBuilderPolicy {builder.Name} -IdentityFile ~/.ssh/id_ed25519, "
        + "and its public half in authorized_keys there.";

    private static KeyProblem Problem(string path, string problem, string advice) => new($"the key file {path} {problem}", advice);

    // A file that is usable or has a problem; with its public half if that is known without a passphrase.
    private sealed record KeyFile(string Path, byte[]? PublicKey, KeyProblem? Problem, Identity? Identity = null)
    {
        public bool IsInToken { get; init; }

        public bool IsHeldAs(Identity held) =>
            PublicKey is not null && held.HostKeyAlgorithms.Any(a => a.Data.AsSpan().SequenceEqual(PublicKey));
    }
}
