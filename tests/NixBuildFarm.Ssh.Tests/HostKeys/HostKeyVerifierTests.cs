using NixBuildFarm.Builders;
using NixBuildFarm.Ssh.Configuration;
using NixBuildFarm.Ssh.HostKeys;

namespace NixBuildFarm.Ssh.Tests.HostKeys;

public class HostKeyVerifierTests
{
    private const string Ruby = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHaGHfyiYoRHXoKABWtECFHyKvMPEeydd1F23pXcGqzh";
    private const string Other = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOFL2FCLBAoLKeOvBQCLbVRtnBKhnpqOWy5dyMjX1sXa";

    private static readonly string[] Algorithms =
        ["ssh-ed25519-cert-v01@openssh.com", "ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512", "rsa-sha2-256"];

    [Fact]
    public void The_builders_own_key_is_all_that_counts()
    {
        Assert.Null(Verifier(known: $"ruby {Other}", hostKey: Ruby + " root@ruby").Verify(Key(Ruby), certificate: null, out _));
        Assert.NotNull(Verifier(known: $"ruby {Other}", hostKey: Ruby).Verify(Key(Other), certificate: null, out _));
    }

    [Fact]
    public void Another_key_than_the_builders_own_is_refused_with_both_fingerprints()
    {
        var error = Verifier(hostKey: Ruby).Verify(Key(Other), certificate: null, out _)!;

        Assert.Equal(BuilderFailure.HostKeyMismatch, error.Failure);
        Assert.Contains($"Offered: {Key(Other)}; expected: {Key(Ruby)} (/etc/nix/machines line 1)", error.Message);
        Assert.NotNull(error.Recommendation);
    }

    [Fact]
    public void An_unknown_host_is_refused_with_its_fingerprint_and_the_command_that_adds_it()
    {
        var error = Verifier(port: 2222).Verify(Key(Ruby), certificate: null, out _)!;

        Assert.Equal(BuilderFailure.HostKeyMismatch, error.Failure);
        Assert.Contains(Key(Ruby).Fingerprint, error.Message);
        Assert.Contains("[10.0.0.7]:2222", error.Message);
        Assert.Contains("ssh-keyscan -p 2222 -t ed25519 10.0.0.7 >> /home/ann/.ssh/known_hosts", error.Recommendation);
    }

    [Fact]
    public void A_changed_key_is_refused_with_file_and_line_and_the_command_that_removes_it()
    {
        var error = Verifier(known: $"# old\n10.0.0.7 {Other}").Verify(Key(Ruby), certificate: null, out _)!;

        Assert.Contains($"Offered: {Key(Ruby)}; expected: {Key(Other)} (/home/ann/.ssh/known_hosts:2)", error.Message);
        Assert.Contains("ssh-keygen -R '10.0.0.7' -f /home/ann/.ssh/known_hosts", error.Recommendation);
    }

    [Fact]
    public void A_revoked_key_is_refused()
    {
        var error = Verifier(known: $"@revoked * {Ruby}\n10.0.0.7 {Ruby}").Verify(Key(Ruby), certificate: null, out _)!;

        Assert.Contains("revoked", error.Message);
    }

    [Fact]
    public void An_alias_is_looked_up_instead_of_name_and_port()
    {
        var verifier = Verifier(known: $"gem {Ruby}", port: 2222, more: "hostkeyalias gem");

        Assert.Null(verifier.Verify(Key(Ruby), certificate: null, out var decidedBy));
        Assert.Equal("/home/ann/.ssh/known_hosts:1", decidedBy);
    }

    [Fact]
    public void A_certificate_that_proves_nothing_leaves_the_decision_to_the_plain_key()
    {
        var certificate = new HostCertificate(Key(Other), IsForHost: true, ["10.0.0.7"], []);

        Assert.Null(Verifier(known: $"10.0.0.7 {Ruby}").Verify(Key(Ruby), certificate, out _));
        Assert.NotNull(Verifier(known: "").Verify(Key(Ruby), certificate, out _));
    }

    [Theory]
    [InlineData("not a key")]
    [InlineData("ssh-ed25519")]
    [InlineData("ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIHaGHfyiYoRHXoKABWtECFHyKvMPEeydd1F23pXcGqzh")]
    public void A_malformed_key_of_the_builder_is_a_mistake_in_its_configuration(string hostKey)
    {
        var error = Assert.Throws<BuilderException>(() => Verifier(hostKey: hostKey));

        Assert.Equal(BuilderFailure.Configuration, error.Failure);
        Assert.Contains("/etc/nix/machines line 1", error.Recommendation);
    }

    [Fact]
    public void Algorithms_of_known_keys_are_offered_first_and_certificates_only_for_a_known_authority()
    {
        Assert.Equal(["ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512", "rsa-sha2-256"], Verifier().Order(Algorithms));
        Assert.Equal("ssh-ed25519", Verifier(hostKey: Ruby).Order(Algorithms.Reverse())[0]);
        Assert.Equal("ssh-ed25519-cert-v01@openssh.com", Verifier(known: $"@cert-authority * {Other}").Order(Algorithms)[0]);
    }

    [Fact]
    public void A_known_rsa_key_asks_for_its_signature_algorithms()
    {
        // An RSA public key of 1024 bits, made for this test: its type is all that matters here.
        const string rsa = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQC0";
        Assert.Equal(["rsa-sha2-512", "rsa-sha2-256"], Verifier(known: $"10.0.0.7 {rsa}").Order(Algorithms).Take(2));
    }

    private static HostKeyVerifier Verifier(string known = "", string? hostKey = null, int port = 22, string more = "")
    {
        var config = SshConfig.Parse(
            $"hostname 10.0.0.7\nport {port}\nuserknownhostsfile /home/ann/.ssh/known_hosts\n{more}",
            "ruby",
            new SshEnvironment { User = "ann", Home = "/home/ann" });
        var builder = new NixBuilder
        {
            Name = "ruby",
            HostName = "ruby",
            Uri = "ssh-ng://ruby",
            Systems = ["x86_64-linux"],
            HostKey = hostKey,
            Source = "/etc/nix/machines line 1",
        };
        return new HostKeyVerifier(builder, config, KnownHosts.Parse([("/home/ann/.ssh/known_hosts", known)]));
    }

    private static HostKey Key(string line) => HostKey.TryParse(line, out var key) ? key : throw new FormatException(line);
}
