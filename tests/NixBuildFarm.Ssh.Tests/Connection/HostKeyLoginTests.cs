using NixBuildFarm.Errors;
using static NixBuildFarm.Ssh.Tests.Connection.Logins;

namespace NixBuildFarm.Ssh.Tests.Connection;

/// <summary>A server is let in by its host key alone; any other is refused before it sees a key of ours.</summary>
public class HostKeyLoginTests
{
    [Fact]
    public async Task A_server_with_the_builders_own_host_key_is_let_in()
    {
        await using var server = await SshServer.StartAsync();

        await AssertWorksAsync(server, server.Builder(hostKey: server.HostKeyLine));
    }

    [Fact]
    public async Task A_server_in_known_hosts_is_let_in_under_its_port()
    {
        await using var server = await SshServer.StartAsync();
        server.MakeKnown();

        await AssertWorksAsync(server, server.Builder());
    }

    [Fact]
    public async Task A_hashed_known_hosts_does_as_well()
    {
        await using var server = await SshServer.StartAsync();
        server.MakeKnown();
        SshServer.Run("ssh-keygen", "-q", "-H", "-f", server.KnownHosts);

        await AssertWorksAsync(server, server.Builder());
    }

    [Fact]
    public async Task An_unknown_host_key_is_refused_and_no_key_is_shown_to_the_server()
    {
        await using var server = await SshServer.StartAsync("LogLevel DEBUG1");

        var error = await AssertFailsAsync(server, server.Builder());

        Assert.Equal(BuilderFailure.HostKeyMismatch, error.Failure);
        Assert.Contains(FingerprintOf(server.HostKey), error.Message);
        Assert.Contains("ssh-keyscan -p " + server.Port, error.Recommendation);
        Assert.DoesNotContain("userauth-request", server.Log);
    }

    [Fact]
    public async Task A_changed_host_key_is_refused_with_both_fingerprints_and_the_line()
    {
        await using var server = await SshServer.StartAsync();
        server.MakeKnown();
        var old = server.HostKey;
        await server.RestartAsync(server.NewKey("new_host_key"));

        var error = await AssertFailsAsync(server, server.Builder());

        Assert.Equal(BuilderFailure.HostKeyMismatch, error.Failure);
        Assert.Contains(FingerprintOf(old), error.Message);
        Assert.Contains(FingerprintOf(server.HostKey), error.Message);
        Assert.Contains(server.KnownHosts + ":1", error.Message);
        Assert.Contains($"ssh-keygen -R '[127.0.0.1]:{server.Port}'", error.Recommendation);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_revoked_host_key_is_refused_although_known_hosts_or_the_builder_has_it(bool isBuildersOwn)
    {
        await using var server = await SshServer.StartAsync();
        server.MakeKnown();
        server.MakeKnown($"@revoked * {server.HostKeyLine}");

        var error = await AssertFailsAsync(server, server.Builder(hostKey: isBuildersOwn ? server.HostKeyLine : null));

        Assert.Equal(BuilderFailure.HostKeyMismatch, error.Failure);
        Assert.Contains("revoked", error.Message);
    }

    [Fact]
    public async Task Another_key_than_the_builders_own_is_refused_although_known_hosts_has_it()
    {
        await using var server = await SshServer.StartAsync();
        server.MakeKnown();

        var error = await AssertFailsAsync(server, server.Builder(hostKey: SshServer.PublicKey(server.NewKey("another"))));

        Assert.Equal(BuilderFailure.HostKeyMismatch, error.Failure);
    }

    [Theory]
    [InlineData("rsa")]
    [InlineData("ecdsa")]
    public async Task A_server_with_several_keys_is_asked_for_the_known_one(string type)
    {
        await using var server = await SshServer.StartAsync();
        var second = server.NewKey("second", "-t", type, "-N", "");
        await server.RestartAsync($"{server.HostKey}\nHostKey {second}");
        server.MakeKnown($"[127.0.0.1]:{server.Port} {SshServer.PublicKey(second)}");

        await AssertWorksAsync(server, server.Builder());
    }

    [Fact]
    public async Task A_host_certificate_of_a_known_authority_is_let_in()
    {
        await using var server = await SshServer.StartAsync();
        var authority = server.NewKey("authority");
        SshServer.Run("ssh-keygen", "-q", "-s", authority, "-I", "ruby", "-h", "-n", "127.0.0.1", server.HostKey + ".pub");
        await server.RestartAsync($"{server.HostKey}\nHostCertificate {server.HostKey}-cert.pub");
        server.MakeKnown($"@cert-authority [127.0.0.1]:{server.Port} {SshServer.PublicKey(authority)}");

        await AssertWorksAsync(server, server.Builder());
    }

    [Theory]
    [InlineData("kana", "-V+1d")]
    [InlineData("127.0.0.*", "-V+1d")]
    [InlineData("127.0.0.1", "-V19990101:19991231")]
    public async Task A_host_certificate_for_another_host_or_time_is_refused(string principal, string validity)
    {
        await using var server = await SshServer.StartAsync();
        var authority = server.NewKey("authority");
        SshServer.Run("ssh-keygen", "-q", "-s", authority, "-I", "ruby", "-h", "-n", principal, validity, server.HostKey + ".pub");
        await server.RestartAsync($"{server.HostKey}\nHostCertificate {server.HostKey}-cert.pub");
        server.MakeKnown($"@cert-authority * {SshServer.PublicKey(authority)}");

        Assert.Equal(BuilderFailure.HostKeyMismatch, (await AssertFailsAsync(server, server.Builder())).Failure);
    }

    private static string FingerprintOf(string key) => SshServer.Run("ssh-keygen", "-lf", key + ".pub").Split(' ')[1];
}
