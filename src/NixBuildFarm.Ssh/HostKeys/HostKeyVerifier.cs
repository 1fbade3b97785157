using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.Ssh.Configuration;

namespace NixBuildFarm.Ssh.HostKeys;

/// <summary>
/// Decides whether a server is the builder it should be: by the builder's own host key where it has one, else by
/// known_hosts. There is no way to switch this off.
/// </summary>
internal sealed class HostKeyVerifier
{
    private const string CertificateSuffix = "-cert-v01@openssh.com";

    private const string Nowhere = "/dev/null";

    private readonly NixBuilder builder;
    private readonly SshConfig config;
    private readonly HostName host;
    private readonly string address;
    private readonly int port;
    private readonly HostKey? pinned;
    private readonly KnownHosts known;
    private readonly string userFile;

    /// <summary>Makes the verifier of one builder.</summary>
    /// <exception cref="BuilderException">The builder's own host key is malformed.</exception>
    public HostKeyVerifier(NixBuilder builder, SshConfig config, KnownHosts known)
    {
        this.builder = builder;
        this.config = config;
        this.known = known;
        address = config.HostName;
        host = NameOf(config);
        port = config.Port;
        userFile = config.UserKnownHostsFiles is [var first, ..] ? first : "~/.ssh/known_hosts";
        pinned = PinnedKey(builder);
    }

    /// <summary>The name under which known_hosts has a host.</summary>
    public static HostName NameOf(SshConfig config) =>
        config.HostKeyAlias is { } alias ? new HostName(alias, 22) : new HostName(config.HostName.ToLowerInvariant(), config.Port);

    /// <summary>The builder's own host key; null: it has none.</summary>
    /// <exception cref="BuilderException">It is malformed.</exception>
    public static HostKey? PinnedKey(NixBuilder builder)
    {
        if (builder.HostKey is not { } line) return null;
        return HostKey.TryParse(line, out var key) ? key : throw new BuilderException(
            builder.Name,
            BuilderFailure.Configuration,
            $"Builder {builder.Name}: its host key is not of the form “TYPE BASE64”, as in “ssh-ed25519 AAAAC3…”.",
            $"Correct it where the builder is configured: {builder.Source}. “ssh-keyscan HOST” prints a host's keys.");
    }

    /// <summary>
    /// Orders the host key algorithms to offer: those of known keys first, as OpenSSH does, so that a server with several keys shows the
    /// known one. Certificates are requested only if an authority is known.
    /// </summary>
    public IReadOnlyList<string> Order(IEnumerable<string> algorithms)
    {
        var types = pinned is null ? known.KeyTypes(host) : [pinned.Type];
        var certificates = pinned is null && known.HasAuthority(host);
        return algorithms
            .Where(a => certificates || !IsCertificate(a))
            .OrderBy(a => IsCertificate(a) ? 0 : types.Contains(TypeOf(a)) ? 1 : 2)
            .ToList();
    }

    /// <summary>Verifies the server's key. Null: it is accepted; else the error to stop with.</summary>
    /// <param name="key">The server's key; it has proven that it owns it.</param>
    /// <param name="certificate">Its certificate, where it has sent one.</param>
    /// <param name="decidedBy">Where the key was found, for the Verbose stream.</param>
    public BuilderException? Verify(HostKey key, HostCertificate? certificate, out string decidedBy)
    {
        decidedBy = $"the builder's own host key ({builder.Source})";
        if (key.RsaBits < config.RequiredRsaSize) return TooShort(key);
        if ((known.Revocation(host, key) ?? (certificate is null ? null : known.Revocation(host, certificate.Authority))) is { } revoked)
        {
            return Revoked(revoked.Line!);
        }
        if (pinned is not null) return pinned.Equals(key) ? null : NotPinned(key, pinned);

        var verdict = certificate is not null && IsSignedAsAllowed(certificate) ? known.Check(host, key, certificate) : null;
        if (verdict is null || verdict.Status == HostKeyStatus.Unknown) verdict = known.Check(host, key);
        decidedBy = verdict.Line?.Place ?? "";
        return verdict.Status switch
        {
            HostKeyStatus.Matches => null,
            HostKeyStatus.Unknown => Unknown(key, certificate),
            HostKeyStatus.Changed => Changed(key, verdict.Line!),
            _ => Revoked(verdict.Line!),
        };
    }

    /// <summary>The server could not prove that it owns the key that it has sent.</summary>
    public BuilderException Unproven() => Error(
        $"Builder {builder.Name}: {address} did not prove that it owns its host key.",
        "Somebody may intercept the connection: rule that out before you go on.");

    private static bool IsCertificate(string algorithm) => algorithm.EndsWith(CertificateSuffix, StringComparison.Ordinal);

    // An RSA key signs with several algorithms (RFC 8332); the other types are called as their algorithm is.
    private static string TypeOf(string algorithm) => algorithm.StartsWith("rsa-sha2-", StringComparison.Ordinal) ? "ssh-rsa" : algorithm;

    private BuilderException NotPinned(HostKey offered, HostKey expected) => Error(
        $"Builder {builder.Name}: {address} has another host key than the builder's configuration says. Offered: {offered}; expected: "
            + $"{expected} ({builder.Source}).",
        "If the machine was installed anew, correct the builder's host key after checking the offered fingerprint with its owner; "
        + "if not, somebody may be between this machine and the builder.");

    private BuilderException Unknown(HostKey offered, HostCertificate? certificate) => Error(
        $"Builder {builder.Name}: the host key of {address} is not known. Offered: {offered}; {userFile} has no line for {host.LookupName}."
        + (certificate is null ? "" : $" Its certificate ({certificate.Authority.Fingerprint}) is not by a known authority for this host."),
        $"Check the fingerprint with the owner of the machine, then add the key: {KeyScan(offered)} >> {KeepingFile}"
        + (KeepingFile == userFile
            ? ""
            : $" (and let ssh_config say UserKnownHostsFile {KeepingFile} for this host: {userFile} keeps nothing)")
        + $" — or give the builder a host key.{config.UnfollowedHostKeyCheck}");

    private BuilderException Changed(HostKey offered, KnownHost line) => line.FileName == builder.Ssh?.Source
        ? Error(
            $"Builder {builder.Name}: the host key of {address} has changed. Offered: {offered}; expected: {line.Key} "
                + $"(programs.ssh.knownHosts of {line.FileName}).",
            "If the machine was installed anew, correct its key there after checking the offered fingerprint with its owner. If not, "
                + "somebody may be between this machine and the builder.")
        : Error(
            $"Builder {builder.Name}: the host key of {address} has changed. Offered: {offered}; expected: {line.Key} ({line.Place}).",
            $"If the machine was installed anew, remove the old key and add the new one after checking its fingerprint with its owner: "
            + $"ssh-keygen -R '{host.LookupName}' -f {line.FileName}; {KeyScan(offered)} >> {line.FileName}. "
            + $"If not, somebody may be between this machine and the builder.{config.UnfollowedHostKeyCheck}");

    private bool IsSignedAsAllowed(HostCertificate certificate) =>
        config.CaSignatureAlgorithms.Count == 0 || config.CaSignatureAlgorithms.Contains(certificate.SignatureAlgorithm);

    // Where a key is kept that the user accepts.
    private string KeepingFile => userFile == Nowhere ? "~/.ssh/known_hosts" : userFile;

    private BuilderException TooShort(HostKey offered) => Error(
        $"Builder {builder.Name}: the RSA host key of {address} has {offered.RsaBits} bits; ssh_config asks for {config.RequiredRsaSize} "
        + $"(RequiredRSASize). Offered: {offered}.",
        "Give the machine a new host key, such as one by ssh-keygen -t ed25519.");

    private BuilderException Revoked(KnownHost line) => Error(
        $"Builder {builder.Name}: the host key of {address} is revoked: {line.Key} ({line.Place}).",
        "Give the machine a new host key. Do not use the builder before that: somebody else may have the old one.");

    private string KeyScan(HostKey key) =>
        "ssh-keyscan" + (port == 22 ? "" : $" -p {port}")
            + $" -t {key.Type switch { "ssh-rsa" => "rsa", "ssh-ed25519" => "ed25519", _ => "ecdsa" }} {address}";

    private BuilderException Error(string message, string recommendation) =>
        new(builder.Name, BuilderFailure.HostKeyMismatch, message, recommendation);
}
