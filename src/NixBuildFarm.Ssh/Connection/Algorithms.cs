using NixBuildFarm.Ssh.Configuration;
using NixBuildFarm.Ssh.HostKeys;
using Renci.SshNet;

namespace NixBuildFarm.Ssh.Connection;

/// <summary>Which algorithms SSH.NET may offer, and in which order.</summary>
internal static class Algorithms
{
    // Measured: 1.3 to 2 times as fast as the counter mode with a separate MAC that SSH.NET prefers.
    private static readonly string[] FastestCiphers = ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com"];

    // Broken or on their way out; OpenSSH has stopped offering them, so they need the user's own word in ssh_config.
    private static readonly string[] Outdated =
    [
        "ssh-rsa", "ssh-rsa-cert-v01@openssh.com", "3des-cbc", "aes128-cbc", "aes192-cbc", "aes256-cbc",
        "diffie-hellman-group1-sha1", "diffie-hellman-group14-sha1", "diffie-hellman-group-exchange-sha1",
    ];

    /// <summary>Offers the algorithms that ssh_config allows: fast ciphers first, and types of known host keys first.</summary>
    public static void Choose(ConnectionInfo info, SshConfig config, HostKeyVerifier hostKeys, bool compress)
    {
        Offer(info.KeyExchangeAlgorithms, Allowed(info.KeyExchangeAlgorithms.Keys, config.KeyExchanges));
        Offer(info.HmacAlgorithms, Allowed(info.HmacAlgorithms.Keys, config.Macs));
        Offer(info.HostKeyAlgorithms, hostKeys.Order(Allowed(info.HostKeyAlgorithms.Keys, config.HostKeyAlgorithms)));
        Offer(info.Encryptions, FastestFirst(Allowed(info.Encryptions.Keys, config.Ciphers)));
        Offer(info.CompressionAlgorithms, compress ? ["zlib@openssh.com", "none"] : ["none"]);
    }

    /// <summary>The same ciphers, those first that cost least.</summary>
    public static IEnumerable<string> FastestFirst(IEnumerable<string> ciphers) =>
        ciphers.OrderBy(cipher => Array.IndexOf(FastestCiphers, cipher) is var i and >= 0 ? i : FastestCiphers.Length);

    private static IEnumerable<string> Allowed(IEnumerable<string> ours, IReadOnlyList<string> allowed) =>
        ours.Where(a => allowed.Count == 0 ? !Outdated.Contains(a) : allowed.Contains(a));

    private static void Offer<T>(IOrderedDictionary<string, T> algorithms, IEnumerable<string> names)
    {
        var offered = names.ToList();
        foreach (var name in algorithms.Keys.Except(offered).ToList()) algorithms.Remove(name);
        for (var i = 0; i < offered.Count; i++) algorithms.SetPosition(offered[i], i);
    }
}
