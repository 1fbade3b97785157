using System.Security;
using NixBuildFarm.Errors;
using NixBuildFarm.Transport;
using static NixBuildFarm.Ssh.Tests.Connection.Logins;

namespace NixBuildFarm.Ssh.Tests.Connection;

/// <summary>A key file that cannot be used does not end the login: what else there is has its turn, as with <c>ssh -i</c>.</summary>
public class KeyFileTests
{
    /// <summary>A key file that a builder may name although it cannot be used.</summary>
    public enum Unusable
    {
        Missing,
        PublicHalf,
        EncryptedPem,
        Encrypted,
        Garbage,
        Folder,
    }

    [Theory]
    [InlineData(Unusable.Missing)]
    [InlineData(Unusable.PublicHalf)]
    [InlineData(Unusable.EncryptedPem)]
    [InlineData(Unusable.Encrypted)]
    [InlineData(Unusable.Garbage)]
    [InlineData(Unusable.Folder)]
    public async Task A_key_file_of_the_builder_that_cannot_be_used_leaves_the_login_to_the_agent(Unusable kind)
    {
        await using var server = await SshServer.StartAsync();
        await using var agent = await AgentWithTheOnlyKeyAsync(server);

        await AssertWorksAsync(server, server.Builder(hostKey: server.HostKeyLine, identityFile: Make(kind, server)));
    }

    [Theory]
    [InlineData(Unusable.Missing, "does not exist", "-IdentityFile")]
    [InlineData(Unusable.PublicHalf, "is a public key", "-IdentityFile")]
    [InlineData(Unusable.EncryptedPem, "is encrypted", "-Credential")]
    [InlineData(Unusable.Encrypted, "is encrypted", "ssh-add")]
    [InlineData(Unusable.Garbage, "is not a private key", "ssh-keygen")]
    [InlineData(Unusable.Folder, "cannot be read by root", "-IdentityFile")]
    public async Task Without_another_key_the_error_names_the_file_and_says_what_to_do(
        Unusable kind, string problem, string advice)
    {
        await using var server = await SshServer.StartAsync();
        var file = Make(kind, server);
        server.AuthorizeOnly();

        var error = await AssertFailsAsync(server, server.Builder(hostKey: server.HostKeyLine, identityFile: file));

        Assert.Equal(BuilderFailure.AuthenticationFailed, error.Failure);
        Assert.Contains($"{file} {problem}", error.Message);
        Assert.Contains(advice, error.Recommendation);
        Assert.DoesNotContain("readable", error.Recommendation);
    }

    [Fact]
    public async Task An_encrypted_key_opens_with_its_passphrase_and_with_no_other()
    {
        await using var server = await SshServer.StartAsync();
        var key = server.NewKey("locked", "-t", "ed25519", "-N", "correct horse");
        server.AuthorizeOnly(key);
        var builder = server.Builder(hostKey: server.HostKeyLine, identityFile: key);

        var wrong = await AssertFailsAsync(server, builder, new TransportOptions { KeyPassphrase = Secret("battery staple") });

        Assert.Equal(BuilderFailure.AuthenticationFailed, wrong.Failure);
        Assert.Contains("cannot be decrypted with the passphrase", wrong.Message);
        Assert.DoesNotContain("battery staple", wrong.ToString());
        await AssertWorksAsync(server, builder, new TransportOptions { KeyPassphrase = Secret("correct horse") });
    }

    [Theory]
    [InlineData(".pub")]
    [InlineData("")]
    public async Task With_IdentitiesOnly_a_key_of_the_agent_is_named_by_its_public_half(string suffix)
    {
        await using var server = await SshServer.StartAsync();
        var key = server.NewKey("held");
        server.AuthorizeOnly(key);
        await using var agent = await KeyAgent.StartAsync(server, "IdentitiesOnly yes", $"IdentityFile {key}{suffix}");
        agent.Add(key);
        File.Delete(key);

        await AssertWorksAsync(server, server.Builder(hostKey: server.HostKeyLine));
    }

    [Fact]
    public async Task With_IdentitiesOnly_a_public_half_brings_no_other_key_of_the_agent()
    {
        await using var server = await SshServer.StartAsync();
        var (named, held) = (server.NewKey("named"), server.NewKey("held"));
        server.AuthorizeOnly(held);
        await using var agent = await KeyAgent.StartAsync(server, "IdentitiesOnly yes", $"IdentityFile {named}.pub");
        agent.Add(held);

        var error = await AssertFailsAsync(server, server.Builder(hostKey: server.HostKeyLine));

        Assert.Equal(BuilderFailure.AuthenticationFailed, error.Failure);
        Assert.Contains($"{named}.pub is a public key", error.Message);
    }

    [Theory]
    [InlineData("ed25519", false)]
    [InlineData("ed25519", true)]
    [InlineData("rsa", false)]
    [InlineData("rsa", true)]
    [InlineData("ecdsa", false)]
    [InlineData("ecdsa", true)]
    public async Task A_certificate_of_any_name_logs_in_with_the_key_that_it_certifies(string type, bool isInAgent)
    {
        await using var server = await SshServer.StartAsync();
        var (authority, key) = (server.NewKey("authority"), server.NewKey("certified", "-t", type, "-N", ""));
        SshServer.Run("ssh-keygen", "-q", "-s", authority, "-I", "ann", "-n", "root", key + ".pub");
        var certificate = Path.Combine(server.Folder, "of-another-name.pub");
        File.Move(key + "-cert.pub", certificate);
        File.WriteAllText(Path.Combine(server.Folder, "authorized_keys"), $"cert-authority {SshServer.PublicKey(authority)}\n");
        await using var agent = await KeyAgent.StartAsync(
            server, $"IdentityFile {key}", $"CertificateFile {certificate}", "IdentitiesOnly yes");
        if (isInAgent)
        {
            agent.Add(key);
            File.Delete(key);
        }

        await AssertWorksAsync(server, server.Builder(hostKey: server.HostKeyLine));
    }

    private static string Make(Unusable kind, SshServer server)
    {
        switch (kind)
        {
            case Unusable.Missing: return "/nowhere/id";
            case Unusable.PublicHalf: return server.NewKey("stranger") + ".pub";
            case Unusable.EncryptedPem: return server.NewKey("old", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "correct horse");
            case Unusable.Encrypted: return server.NewKey("locked", "-t", "ed25519", "-N", "correct horse");
            default:
                var path = Path.Combine(server.Folder, "no-key");
                if (kind == Unusable.Folder) Directory.CreateDirectory(path);
                else File.WriteAllText(path, "not a key\n");
                return path;
        }
    }

    private static async Task<KeyAgent> AgentWithTheOnlyKeyAsync(SshServer server)
    {
        var agent = await KeyAgent.StartAsync(server);
        agent.Add(server.Key);
        File.Delete(server.Key);
        File.Delete(server.Key + ".pub");
        return agent;
    }

    private static SecureString Secret(string text)
    {
        var secret = new SecureString();
        foreach (var c in text) secret.AppendChar(c);
        return secret;
    }
}
