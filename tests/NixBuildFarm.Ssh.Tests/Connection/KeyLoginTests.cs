using NixBuildFarm.Errors;
using NixBuildFarm.Ssh.Tests.Identities;
using NixBuildFarm.Transport;
using static NixBuildFarm.Ssh.Tests.Connection.Logins;

namespace NixBuildFarm.Ssh.Tests.Connection;

/// <summary>The keys that are offered: those of the builder, of ssh_config and of the agent; and what is said when none is taken.</summary>
public class KeyLoginTests
{
    [Theory]
    [InlineData("-t", "ed25519")]
    [InlineData("-t", "rsa", "-b", "3072")]
    [InlineData("-t", "ecdsa", "-b", "521")]
    [InlineData("-t", "rsa", "-m", "PEM")]
    public async Task The_builders_own_key_logs_in_whatever_its_type(params string[] type)
    {
        await using var server = await SshServer.StartAsync();
        var key = server.NewKey("own", [.. type, "-N", ""]);
        server.Authorize(key);

        await AssertWorksAsync(server, server.Builder(hostKey: server.HostKeyLine, identityFile: key));
    }

    [Fact]
    public async Task A_key_that_the_server_does_not_take_is_named()
    {
        await using var server = await SshServer.StartAsync();
        var stranger = server.NewKey("stranger");
        server.AuthorizeOnly(); // not the key of ssh_config either, which has its turn too

        var error = await AssertFailsAsync(server, server.Builder(hostKey: server.HostKeyLine, identityFile: stranger));

        Assert.Equal(BuilderFailure.AuthenticationFailed, error.Failure);
        Assert.Contains(stranger, error.Message);
        Assert.Contains("root", error.Message);
        Assert.Contains("authorized_keys", error.Recommendation);
    }

    [Fact]
    public async Task A_server_that_loses_patience_with_our_keys_has_refused_them()
    {
        await using var server = await SshServer.StartAsync("MaxAuthTries 1");
        var strangers = Enumerable.Range(0, 3).Select(i => server.NewKey($"stranger{i}")).ToList();
        server.Configure([.. strangers.Select(s => $"IdentityFile {s}")]);

        var error = await AssertFailsAsync(server, server.Builder(hostKey: server.HostKeyLine));

        Assert.Equal(BuilderFailure.AuthenticationFailed, error.Failure);
    }

    [Fact]
    public async Task Keys_of_ssh_config_that_do_not_exist_are_passed_over()
    {
        await using var server = await SshServer.StartAsync();
        server.Configure("IdentityFile /nowhere/id");

        await AssertWorksAsync(server, server.Builder(hostKey: server.HostKeyLine));
    }

    [Theory]
    [InlineData("ed25519")]
    [InlineData("rsa")]
    [InlineData("ecdsa")]
    public async Task A_key_in_the_agent_logs_in(string type)
    {
        await using var server = await SshServer.StartAsync();
        await using var agent = await KeyAgent.StartAsync(server);
        var key = server.NewKey("held", "-t", type, "-N", "");
        agent.Add(key);
        server.Authorize(key);
        File.Delete(key);
        File.Delete(server.Key);

        await AssertWorksAsync(server, server.Builder(hostKey: server.HostKeyLine));
    }

    [Fact]
    public async Task A_key_that_is_locked_in_its_file_may_be_unlocked_in_the_agent()
    {
        await using var server = await SshServer.StartAsync();
        await using var agent = await KeyAgent.StartAsync(server);
        var key = server.NewKey("held");
        agent.Add(key);
        SshServer.Run("ssh-keygen", "-q", "-p", "-N", "correct horse", "-f", key);
        server.Authorize(key);

        await AssertWorksAsync(server, server.Builder(hostKey: server.HostKeyLine, identityFile: key));
    }

    [Fact]
    public async Task With_IdentitiesOnly_the_agents_other_keys_stay_unsaid()
    {
        await using var server = await SshServer.StartAsync();
        await using var agent = await KeyAgent.StartAsync(server, "IdentitiesOnly yes");
        var key = server.NewKey("held");
        agent.Add(key);
        server.AuthorizeOnly(key);

        var stranger = server.NewKey("stranger");
        var error = await AssertFailsAsync(server, server.Builder(hostKey: server.HostKeyLine, identityFile: stranger));

        Assert.Equal(BuilderFailure.AuthenticationFailed, error.Failure);
    }

    [Fact]
    public async Task An_agent_that_has_gone_is_no_reason_to_fail()
    {
        await using var server = await SshServer.StartAsync();
        server.Configure($"IdentityAgent {server.Folder}/nobody");

        await AssertWorksAsync(server, server.Builder(hostKey: server.HostKeyLine));
    }

    [Fact]
    public async Task A_key_in_a_FIDO_token_is_left_to_the_ssh_program()
    {
        await using var server = await SshServer.StartAsync();
        File.WriteAllText(server.Key, OpenSshKeyHeaderTests.TokenKey());
        var said = new List<string>();

        await AssertFailsAsync(server, server.Builder(hostKey: server.HostKeyLine), new TransportOptions { Verbose = said.Add });

        Assert.Contains(said, text => text.Contains("uses the ssh program") && text.Contains(server.Key));
    }

    [Fact]
    public async Task Without_any_key_the_error_says_so()
    {
        await using var server = await SshServer.StartAsync();
        File.Delete(server.Key);

        var error = await AssertFailsAsync(server, server.Builder(hostKey: server.HostKeyLine));

        Assert.Equal(BuilderFailure.AuthenticationFailed, error.Failure);
        Assert.Contains("no key to offer", error.Message);
    }
}
