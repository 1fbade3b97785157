using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using static NixBuildFarm.Ssh.Tests.Connection.Logins;

namespace NixBuildFarm.Ssh.Tests.Connection;

/// <summary>A login does as ssh_config says: alias, algorithms, compression.</summary>
public class LoginTests
{
    [Fact]
    public async Task An_alias_of_ssh_config_is_followed()
    {
        await using var server = await SshServer.StartAsync();
        server.MakeKnown($"gem {server.HostKeyLine}");
        server.Configure("Host ruby", "  HostName 127.0.0.1", $"  Port {server.Port}", "  User root", "  HostKeyAlias gem");
        var builder = new NixBuilder
        {
            Name = "ruby",
            HostName = "ruby",
            Uri = "ssh-ng://ruby",
            Systems = ["x86_64-linux"],
            RemoteProgram = ["sh", "-c", "exec cat"],
            Source = "test",
        };

        await AssertWorksAsync(server, builder);
    }

    [Fact]
    public async Task A_server_without_a_common_algorithm_is_incompatible_and_says_which()
    {
        await using var server = await SshServer.StartAsync("KexAlgorithms sntrup761x25519-sha512@openssh.com");
        server.Configure("KexAlgorithms curve25519-sha256");

        var error = await AssertFailsAsync(server, server.Builder(hostKey: server.HostKeyLine));

        Assert.Equal(BuilderFailure.Incompatible, error.Failure);
        Assert.Contains("sntrup761x25519-sha512@openssh.com", error.Message);
    }

    [Fact]
    public async Task Fast_authenticated_ciphers_are_used_and_ssh_config_may_forbid_them()
    {
        await using var server = await SshServer.StartAsync("LogLevel DEBUG1");
        await AssertWorksAsync(server, server.Builder(hostKey: server.HostKeyLine));
        Assert.Contains("cipher: aes128-gcm@openssh.com", server.Log);

        server.Configure("Ciphers aes256-ctr");
        await AssertWorksAsync(server, server.Builder(hostKey: server.HostKeyLine));
        Assert.Contains("cipher: aes256-ctr", server.Log);
    }

    [Fact]
    public async Task Compression_is_used_where_the_builder_asks_for_it()
    {
        await using var server = await SshServer.StartAsync("LogLevel DEBUG1");
        server.Configure("Compression yes");

        await AssertWorksAsync(server, server.Builder(hostKey: server.HostKeyLine));

        Assert.Contains("compression: zlib@openssh.com", server.Log);
    }
}
