using System.Security;
using NixBuildFarm.Builders;
using NixBuildFarm.Ssh.Configuration;
using Renci.SshNet;
using Renci.SshNet.Common;

namespace NixBuildFarm.Ssh.Identities;

/// <summary>
/// Finds the keys to log in with: the builder's own file, else those of ssh_config that exist, then the agent's.
/// A key that the builder names must be usable; one that ssh_config names by default may be missing or locked.
/// </summary>
internal sealed class IdentitySource
{
    private readonly NixBuilder builder;
    private readonly SshConfig config;
    private readonly SecureString? passphrase;
    private readonly Action<string> verbose;
    private readonly Lazy<IReadOnlyList<KeyFile>> files;

    /// <summary>Makes the source of one builder's keys; nothing is read yet.</summary>
    public IdentitySource(NixBuilder builder, SshConfig config, SecureString? passphrase, Action<string> verbose)
    {
        this.builder = builder;
        this.config = config;
        this.passphrase = passphrase;
        this.verbose = verbose;
        files = new(ReadFiles);
    }

    /// <summary>Why the ssh program must log in instead: the only key is in a FIDO token, and no agent signs with it. Null: we can.</summary>
    public string? NeedsSshProgram(CancellationToken cancellation)
    {
        if (files.Value.Any(f => f.Identity is not null)) return null;
        if (files.Value.FirstOrDefault(f => f.Header?.IsInToken == true) is not { } token) return null;
        return AgentIdentities(cancellation).Any(i => IsSame(i, token.Header!)) ? null : $"{token.Path} is the key of a FIDO token";
    }

    /// <summary>The keys in the order in which they are offered. The agent is asked anew every time.</summary>
    /// <exception cref="BuilderException">The builder's own key file cannot be used.</exception>
    public IReadOnlyList<Identity> Load(CancellationToken cancellation)
    {
        var agent = AgentIdentities(cancellation);
        var identities = new List<Identity>();
        foreach (var file in files.Value)
        {
            if (file.Identity is not null)
            {
                identities.Add(file.Identity);
            }
            else if (file.Header is { } header && agent.FirstOrDefault(i => IsSame(i, header)) is { } held)
            {
                identities.Add(held); // locked in the file, unlocked in the agent
            }
            else if (builder.IdentityFile is not null)
            {
                throw file.Problem!;
            }
            else
            {
                verbose(file.Problem!.Message);
            }
        }
        if (!config.IdentitiesOnly)
        {
            identities.AddRange(agent.Where(a => !identities.Exists(i => i.PublicKey.AsSpan().SequenceEqual(a.PublicKey))));
        }
        return identities;
    }

    private static bool IsSame(Identity identity, OpenSshKeyHeader header) => identity.PublicKey.AsSpan().SequenceEqual(header.PublicKey);

    private IReadOnlyList<Identity> AgentIdentities(CancellationToken cancellation) =>
        config.AgentSocket is { } socket ? SshAgent.Identities(socket, verbose, cancellation) : [];

    private List<KeyFile> ReadFiles() => builder.IdentityFile is { } own
        ? [Read(own)]
        : config.IdentityFiles.Distinct().Where(File.Exists).Select(Read).ToList();

    private KeyFile Read(string path)
    {
        string text;
        try
        {
            text = File.ReadAllText(path);
            WarnOfPermissions(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            var isMissing = e is FileNotFoundException or DirectoryNotFoundException;
            return new(path, null, null, Problem(
                path,
                isMissing ? "does not exist" : $"cannot be read: {e.Message}",
                isMissing ? $"Correct the key file where the builder is configured: {builder.Source}." : $"Make it readable for {Environment.UserName}.",
                e));
        }
        var header = OpenSshKeyHeader.Read(text);
        try
        {
            var certificate = path + "-cert.pub";
            var key = new PrivateKeyFile(path, Passphrase(), File.Exists(certificate) ? certificate : null);
            return new(path, header, new Identity(path, key.HostKeyAlgorithms), null);
        }
        catch (SshPassPhraseNullOrEmptyException e)
        {
            return new(path, header, null, Problem(
                path, "is encrypted, and there is no passphrase for it", $"Add it to your key agent: ssh-add {path}; or give its passphrase.", e));
        }
        catch (Exception e) when (e is SshException or NotSupportedException or FormatException or ArgumentException or IOException
            or InvalidOperationException or System.Security.Cryptography.CryptographicException)
        {
            var wrongPassphrase = passphrase is not null && header is not { IsEncrypted: false };
            return new(path, header, null, Problem(
                path,
                wrongPassphrase ? "cannot be decrypted with the passphrase that was given" : $"is not a private key that can be used: {e.Message}",
                wrongPassphrase ? "Give the right passphrase, or add the key to your key agent." : "Use a key made by ssh-keygen -t ed25519.",
                e));
        }
    }

    private string? Passphrase() => passphrase is null ? null : new System.Net.NetworkCredential("", passphrase).Password;

    private void WarnOfPermissions(string path)
    {
        const UnixFileMode others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;
        if (OperatingSystem.IsWindows() || (File.GetUnixFileMode(path) & others) == UnixFileMode.None) return;
        verbose($"the private key {path} is open to others; ssh itself would refuse it: chmod 600 {path}");
    }

    private BuilderException Problem(string path, string problem, string recommendation, Exception cause) =>
        new(builder.Name, BuilderFailure.Configuration, $"Builder {builder.Name}: the key file {path} {problem}.", recommendation, cause);

    // A file is either usable or has a problem; the header is there where the format tells it without a passphrase.
    private sealed record KeyFile(string Path, OpenSshKeyHeader? Header, Identity? Identity, BuilderException? Problem);
}
