using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
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

    [Theory]
    [InlineData("@revoked *")]
    [InlineData("@revoked 10.0.0.7")]
    public void A_revoked_key_is_refused_although_the_builder_has_it_as_its_own(string revocation)
    {
        var error = Verifier(known: $"{revocation} {Ruby}", hostKey: Ruby).Verify(Key(Ruby), certificate: null, out _)!;

        Assert.Equal(BuilderFailure.HostKeyMismatch, error.Failure);
        Assert.Contains("revoked", error.Message);
    }

    [Fact]
    public void A_revoked_authority_is_refused_although_the_plain_key_is_known()
    {
        var certificate = new HostCertificate(Key(Other), IsForHost: true, ["10.0.0.7"], [], "ssh-ed25519");

        Assert.Contains("revoked", Verifier(known: $"10.0.0.7 {Ruby}\n@revoked * {Other}").Verify(Key(Ruby), certificate, out _)!.Message);
    }

    [Theory]
    [InlineData("", true)]
    [InlineData("casignaturealgorithms ssh-ed25519", true)]
    [InlineData("casignaturealgorithms rsa-sha2-512,rsa-sha2-256", false)]
    public void A_certificate_is_signed_as_ssh_config_allows(string setting, bool isAccepted)
    {
        var certificate = new HostCertificate(Key(Other), IsForHost: true, ["10.0.0.7"], [], "ssh-ed25519");

        Assert.Equal(
            isAccepted, Verifier(known: $"@cert-authority * {Other}", more: setting).Verify(Key(Ruby), certificate, out _) is null);
    }

    [Theory]
    [InlineData("", 1024, true)]
    [InlineData("requiredrsasize 2048", 1024, false)]
    [InlineData("requiredrsasize 2048", 2048, true)]
    [InlineData("", 768, false)]
    public void An_RSA_key_is_as_long_as_ssh_config_asks_for(string setting, int bits, bool isAccepted)
    {
        var key = RsaKey(bits);
        Assert.Equal(bits, Key(key).RsaBits);

        Assert.Equal(isAccepted, Verifier(hostKey: key, more: setting).Verify(Key(key), certificate: null, out _) is null);
    }

    [Theory]
    [InlineData("false", "StrictHostKeyChecking no")]
    [InlineData("accept-new", "StrictHostKeyChecking accept-new")]
    public void That_unchecked_keys_are_never_accepted_is_said_where_ssh_config_accepts_them(string setting, string said)
    {
        var unknown = Verifier(more: $"stricthostkeychecking {setting}").Verify(Key(Ruby), certificate: null, out _)!;
        var changed = Verifier(known: $"10.0.0.7 {Other}", more: $"stricthostkeychecking {setting}")
            .Verify(Key(Ruby), certificate: null, out _)!;

        Assert.Contains($"“{said}” of ssh_config is not followed", unknown.Recommendation);
        Assert.Contains($"“{said}” of ssh_config is not followed", changed.Recommendation);
        Assert.DoesNotContain(
            "StrictHostKeyChecking",
            Verifier(more: "stricthostkeychecking ask").Verify(Key(Ruby), certificate: null, out _)!.Recommendation);
    }

    [Fact]
    public void The_advice_names_another_file_if_ssh_config_keeps_no_keys()
    {
        var error = Verifier(file: "/dev/null").Verify(Key(Ruby), certificate: null, out _)!;

        Assert.Contains(">> ~/.ssh/known_hosts", error.Recommendation);
        Assert.Contains("UserKnownHostsFile ~/.ssh/known_hosts", error.Recommendation);
        Assert.DoesNotContain(">> /dev/null", error.Recommendation);
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
        var certificate = new HostCertificate(Key(Other), IsForHost: true, ["10.0.0.7"], [], "ssh-ed25519");

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

    private static HostKeyVerifier Verifier(
        string known = "", string? hostKey = null, int port = 22, string more = "", string file = "/home/ann/.ssh/known_hosts")
    {
        var config = SshConfig.Parse(
            $"hostname 10.0.0.7\nport {port}\nuserknownhostsfile {file}\n{more}",
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

    // Of the right form and length; nobody has its private half.
    private static string RsaKey(int bits)
    {
        byte[] type = [0, 0, 0, 7, .. "ssh-rsa"u8], exponent = [0, 0, 0, 3, 1, 0, 1],
        modulus = [0, .. Enumerable.Repeat((byte)0xFF, bits / 8)];
        byte[] length = [0, 0, (byte)(modulus.Length >> 8), (byte)modulus.Length];
        return $"ssh-rsa {Convert.ToBase64String([.. type, .. exponent, .. length, .. modulus])}";
    }

    private static HostKey Key(string line) => HostKey.TryParse(line, out var key) ? key : throw new FormatException(line);
}
