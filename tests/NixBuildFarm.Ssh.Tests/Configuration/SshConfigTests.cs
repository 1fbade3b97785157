using System.Net.Sockets;
using NixBuildFarm.Ssh.Configuration;

namespace NixBuildFarm.Ssh.Tests.Configuration;

public class SshConfigTests
{
    private static readonly SshEnvironment Me = new()
    {
        User = "ann",
        Home = "/home/ann",
        AgentSocket = "/run/agent",
        Variable = name => "/run/" + name.ToLowerInvariant().Replace('_', '-'),
    };

    // What OpenSSH 9.2 prints, shortened to what is read and a few lines that are not.
    private const string Printed = """
        user nix
        hostname 10.0.0.7
        port 2222
        addressfamily any
        compression yes
        connecttimeout 5
        identitiesonly yes
        hostkeyalias ruby-the-second
        ciphers aes128-ctr,aes128-gcm@openssh.com
        hostkeyalgorithms ssh-ed25519,rsa-sha2-512
        identityfile ~/.ssh/id_ed25519
        identityfile %d/keys/%r@%h:%p
        userknownhostsfile /home/ann/.ssh/known_hosts /home/ann/.ssh/known_hosts2
        globalknownhostsfile /etc/ssh/ssh_known_hosts
        sendenv LANG
        """;

    [Fact]
    public void The_resolved_configuration_says_where_to_connect_and_as_whom()
    {
        var config = SshConfig.Parse(Printed, "ruby", Me);

        Assert.Equal(("10.0.0.7", 2222, "nix", "ruby-the-second"), (config.HostName, config.Port, config.User, config.HostKeyAlias));
        Assert.Equal(TimeSpan.FromSeconds(5), config.ConnectTimeout);
        Assert.True(config.Compression);
        Assert.True(config.IdentitiesOnly);
        Assert.Equal(["aes128-ctr", "aes128-gcm@openssh.com"], config.Ciphers);
        Assert.Equal(["ssh-ed25519", "rsa-sha2-512"], config.HostKeyAlgorithms);
        Assert.Null(config.NeedsSshProgram);
    }

    [Fact]
    public void Files_have_their_home_and_tokens_filled_in()
    {
        var config = SshConfig.Parse(Printed, "ruby", Me);

        Assert.Equal(["/home/ann/.ssh/id_ed25519", "/home/ann/keys/nix@10.0.0.7:2222"], config.IdentityFiles);
        Assert.Equal(["/home/ann/.ssh/known_hosts", "/home/ann/.ssh/known_hosts2"], config.UserKnownHostsFiles);
        Assert.Equal(["/etc/ssh/ssh_known_hosts"], config.GlobalKnownHostsFiles);
    }

    [Theory]
    [InlineData("%%", "%")]
    [InlineData("%n-%k-%u", "ruby-ruby-ann")]
    [InlineData("~", "/home/ann")]
    [InlineData("/a~b%", "/a~b%")]
    [InlineData("%Z", "%Z")]
    public void Each_token_of_a_file_name_means_what_ssh_config_says(string written, string meant) =>
        Assert.Equal([meant], SshConfig.Parse($"identityfile {written}", "ruby", Me).IdentityFiles);

    [Theory]
    [InlineData("", "/run/agent")]
    [InlineData("identityagent SSH_AUTH_SOCK", "/run/agent")]
    [InlineData("identityagent $MY_AGENT", "/run/my-agent")]
    [InlineData("identityagent ${MY_AGENT}", "/run/my-agent")]
    [InlineData("identityagent none", null)]
    [InlineData("identityagent ~/agent", "/home/ann/agent")]
    public void The_agent_is_the_configured_one_or_that_of_the_environment(string line, string? socket) =>
        Assert.Equal(socket, SshConfig.Parse(line, "ruby", Me).AgentSocket);

    [Theory]
    [InlineData("proxyjump bastion", "ProxyJump bastion")]
    [InlineData("proxycommand nc %h %p", "ProxyCommand nc %h %p")]
    [InlineData("revokedhostkeys /etc/ssh/revoked", "RevokedHostKeys /etc/ssh/revoked")]
    [InlineData("proxycommand none", null)]
    [InlineData("proxyjump none", null)]
    public void Settings_that_only_the_ssh_program_can_follow_are_noticed(string line, string? setting) =>
        Assert.Equal(setting, SshConfig.Parse(line, "ruby", Me).NeedsSshProgram);

    [Theory]
    [InlineData("addressfamily inet", AddressFamily.InterNetwork)]
    [InlineData("addressfamily inet6", AddressFamily.InterNetworkV6)]
    [InlineData("addressfamily any", AddressFamily.Unspecified)]
    public void The_address_family_is_followed(string line, AddressFamily family) =>
        Assert.Equal(family, SshConfig.Parse(line, "ruby", Me).AddressFamily);

    [Fact]
    public void Without_an_ssh_program_OpenSSHs_defaults_hold()
    {
        var config = SshConfig.Default("ruby", user: null, port: null, identityFile: null, Me);

        Assert.Equal(("ruby", 22, "ann"), (config.HostName, config.Port, config.User));
        Assert.Contains("/home/ann/.ssh/id_ed25519", config.IdentityFiles);
        Assert.Equal(["/home/ann/.ssh/known_hosts"], config.UserKnownHostsFiles);
        Assert.Equal("/run/agent", config.AgentSocket);
    }

    [Fact]
    public void Without_an_ssh_program_the_builders_own_user_and_port_hold()
    {
        var config = SshConfig.Default("ruby", "nix", 2222, "~/key", Me);

        Assert.Equal((2222, "nix"), (config.Port, config.User));
    }

    [Theory]
    [InlineData("connecttimeout 60", false, 60)] // the user knows a machine that has to wake
    [InlineData("connecttimeout 5", false, 5)]
    [InlineData("connecttimeout none", false, 10)]
    [InlineData("connecttimeout 60", true, 10)] // -TimeoutSec
    [InlineData("connecttimeout 5", true, 5)]
    public void The_limit_for_connecting_is_the_users_own_where_no_command_sets_a_shorter_one(string line, bool isFirm, int seconds)
    {
        var config = SshConfig.Parse(line, "ruby", new() { User = "alice", Home = "/home/alice" });

        Assert.Equal(
            TimeSpan.FromSeconds(seconds),
            config.ConnectTimeoutOf(new() { ConnectTimeout = TimeSpan.FromSeconds(10), IsConnectTimeoutFirm = isFirm }));
    }
}
