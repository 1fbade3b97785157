using Renci.SshNet;
using Renci.SshNet.Security;

namespace NixBuildFarm.Ssh.Identities;

/// <summary>A key to log in with.</summary>
internal sealed class Identity : IPrivateKeySource
{
    /// <summary>Makes an identity.</summary>
    /// <param name="description">Where it comes from, for people: the file, or the agent and its comment.</param>
    /// <param name="algorithms">How it signs, the preferred way first.</param>
    public Identity(string description, IEnumerable<HostAlgorithm> algorithms)
    {
        Description = description;
        // Each algorithm that is offered counts against the server's MaxAuthTries. SHA-1 signatures (ssh-rsa) are refused
        // by default since OpenSSH 8.8, and rsa-sha2-512 is understood since 7.2: one algorithm a key is enough.
        var usable = algorithms.Where(a => !IsWeakerRsa(a.Name)).ToList();
        HostKeyAlgorithms = usable;
        PublicKey = usable[^1].Data;
    }

    /// <summary>Where it comes from, for people.</summary>
    public string Description { get; }

    /// <summary>The public key as SSH sends it.</summary>
    public byte[] PublicKey { get; }

    /// <inheritdoc/>
    public IReadOnlyCollection<HostAlgorithm> HostKeyAlgorithms { get; }

    private static bool IsWeakerRsa(string algorithm) =>
        algorithm is "ssh-rsa" or "rsa-sha2-256" or "ssh-rsa-cert-v01@openssh.com" or "rsa-sha2-256-cert-v01@openssh.com";
}
