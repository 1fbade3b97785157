namespace NixBuildFarm.Ssh.HostKeys;

/// <summary>The verdict of known_hosts on an offered key.</summary>
internal enum HostKeyStatus
{
    /// <summary>It is the expected key.</summary>
    Matches,

    /// <summary>No key of this host is known.</summary>
    Unknown,

    /// <summary>Other keys of this host are known, this one is not.</summary>
    Changed,

    /// <summary>The key is marked as never to be accepted.</summary>
    Revoked,
}

/// <summary>The answer to: may this key be trusted?</summary>
/// <param name="Status">The answer.</param>
/// <param name="Line">The line that decided it; null: no line is about this host.</param>
internal sealed record HostKeyVerdict(HostKeyStatus Status, KnownHost? Line);

/// <summary>A certificate that a server offers in place of its plain key.</summary>
/// <param name="Authority">The key that has signed it; the signature and the dates have been verified.</param>
/// <param name="IsForHost">Whether it certifies a host; else a user.</param>
/// <param name="Principals">The host names that it is good for: whole names, as OpenSSH takes them, no wildcards.</param>
/// <param name="CriticalOptions">Options that must be understood; none is defined for hosts.</param>
/// <param name="SignatureAlgorithm">How its authority has signed it, e.g. <c>rsa-sha2-512</c>.</param>
internal sealed record HostCertificate(
    HostKey Authority, bool IsForHost, IReadOnlyList<string> Principals, IReadOnlyCollection<string> CriticalOptions,
    string SignatureAlgorithm);

/// <summary>The keys of hosts that are known here, in the order in which they are looked up.</summary>
internal sealed class KnownHosts
{
    private readonly IReadOnlyList<KnownHost> lines;

    private KnownHosts(IReadOnlyList<KnownHost> lines) => this.lines = lines;

    /// <summary>Reads the text of known_hosts files, given as pairs of file name and text.</summary>
    public static KnownHosts Parse(IEnumerable<(string File, string Text)> files)
    {
        var all = new List<KnownHost>();
        foreach (var (file, text) in files)
        {
            var number = 0;
            foreach (var line in text.Split('\n'))
            {
                number++;
                if (KnownHost.TryParse(line, file, number, out var known)) all.Add(known);
            }
        }
        return new KnownHosts(all);
    }

    /// <summary>Judges a plain key.</summary>
    public HostKeyVerdict Check(HostName host, HostKey key)
    {
        if (Revocation(host, key) is { } revoked) return revoked;
        var known = LinesOf(host, KnownHostMarker.None);
        if (known.Find(l => l.Key.Equals(key)) is { } match) return new(HostKeyStatus.Matches, match);
        // OpenSSH also takes a key that is known for the host without its port, but does not miss it there.
        if (host.HasOwnPort
            && lines.FirstOrDefault(l => l.Marker == KnownHostMarker.None && l.Key.Equals(key) && l.Covers(host.Name)) is { } plain)
        {
            return new(HostKeyStatus.Matches, plain);
        }
        var expected = known.Find(l => l.Key.Type == key.Type) ?? known.FirstOrDefault();
        return new(expected is null ? HostKeyStatus.Unknown : HostKeyStatus.Changed, expected);
    }

    /// <summary>
    /// Judges a certificate by its authority, kind, options and names. Unknown: no known authority vouches for this host
    /// with it, so that the plain key decides.
    /// </summary>
    public HostKeyVerdict Check(HostName host, HostKey key, HostCertificate certificate)
    {
        if ((Revocation(host, key) ?? Revocation(host, certificate.Authority)) is { } revoked) return revoked;
        var authority = LinesOf(host, KnownHostMarker.CertAuthority).Find(l => l.Key.Equals(certificate.Authority));
        var vouches = authority is not null
            && certificate.IsForHost
            && certificate.CriticalOptions.Count == 0
            && certificate.Principals.Contains(host.Name);
        return vouches ? new(HostKeyStatus.Matches, authority) : new(HostKeyStatus.Unknown, authority);
    }

    /// <summary>The types of the keys that are known for a host.</summary>
    public IReadOnlyList<string> KeyTypes(HostName host) =>
        LinesOf(host, KnownHostMarker.None).Select(l => l.Key.Type).Distinct().ToList();

    /// <summary>Whether some authority may certify this host.</summary>
    public bool HasAuthority(HostName host) => LinesOf(host, KnownHostMarker.CertAuthority).Count > 0;

    private List<KnownHost> LinesOf(HostName host, KnownHostMarker marker) =>
        lines.Where(l => l.Marker == marker && l.Covers(host.LookupName)).ToList();

    /// <summary>The keys that are revoked for a host.</summary>
    public IReadOnlyList<HostKey> RevokedKeys(HostName host) =>
        lines.Where(l => l.Marker == KnownHostMarker.Revoked && (l.Covers(host.LookupName) || l.Covers(host.Name)))
            .Select(l => l.Key)
            .ToList();

    /// <summary>The line that revokes a key; null: there is none.</summary>
    public HostKeyVerdict? Revocation(HostName host, HostKey key) =>
        lines.FirstOrDefault(
            l => l.Marker == KnownHostMarker.Revoked && l.Key.Equals(key) && (l.Covers(host.LookupName) || l.Covers(host.Name)))
            is { } line
            ? new(HostKeyStatus.Revoked, line)
            : null;
}

/// <summary>The name under which a host's key is kept.</summary>
/// <param name="Name">The host name, or its alias.</param>
/// <param name="Port">The port; 22 where an alias is given, since an alias stands for the port too.</param>
internal readonly record struct HostName(string Name, int Port)
{
    /// <summary>Whether the port is part of the name.</summary>
    public bool HasOwnPort => Port != 22;

    /// <summary>As known_hosts writes it: <c>host</c> or <c>[host]:port</c>.</summary>
    public string LookupName => HasOwnPort ? $"[{Name}]:{Port}" : Name;
}
