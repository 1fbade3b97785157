using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.Ssh.Configuration;

namespace NixBuildFarm.Ssh.Tests.Configuration;

public sealed class SshConfigReaderTests : IDisposable
{
    private readonly string file = Path.GetTempFileName();

    private SshEnvironment Environment => new() { User = "ann", Home = "/home/ann", SshOptions = ["-F", file] };

    public void Dispose() => File.Delete(file);

    [Fact]
    public async Task An_alias_is_resolved_with_Include_and_Match()
    {
        var included = file + ".inc";
        await File.WriteAllTextAsync(
            included, "Host ruby\n  HostName 10.0.0.7\n  Port 2222\n  User nix\n", TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(
            file, $"Include {included}\nMatch originalhost ruby\n  HostKeyAlias gem\n", TestContext.Current.CancellationToken);

        var config = await ReadAsync(Builder("ruby"));

        Assert.Equal(("10.0.0.7", 2222, "nix", "gem"), (config.HostName, config.Port, config.User, config.HostKeyAlias));
        File.Delete(included);
    }

    [Fact]
    public async Task The_builders_own_user_and_port_win()
    {
        await File.WriteAllTextAsync(file, "Host ruby\n  User nix\n  Port 2222\n", TestContext.Current.CancellationToken);

        var config = await ReadAsync(Builder("ruby", "root", 22));

        Assert.Equal((22, "root"), (config.Port, config.User));
    }

    [Fact]
    public async Task The_builders_own_user_and_port_win_over_NIX_SSHOPTS_too()
    {
        var environment = Environment with { SshOptions = ["-p", "2222", "-l", "nix", "-F", file] };

        var config = await SshConfigReader.ReadAsync(Builder("ruby", "root", 22), environment, TestContext.Current.CancellationToken);

        Assert.Equal((22, "root"), (config.Port, config.User));
    }

    [Fact]
    public async Task NIX_SSHOPTS_are_followed()
    {
        var environment = Environment with { SshOptions = ["-p", "2222", "-oHostKeyAlias=gem", "-F", file] };

        var config = await SshConfigReader.ReadAsync(Builder("ruby"), environment, TestContext.Current.CancellationToken);

        Assert.Equal((2222, "gem"), (config.Port, config.HostKeyAlias));
    }

    [Fact]
    public async Task A_bracketed_address_is_an_address()
    {
        var config = await ReadAsync(Builder("[::1]"));

        Assert.Equal("::1", config.HostName);
    }

    [Theory]
    [InlineData("-oProxyCommand=touch /tmp/owned", "begins with")]
    [InlineData("ruby -v", "blanks")]
    [InlineData("ruby\nkana", "control characters")]
    [InlineData("", "empty")]
    public async Task A_host_name_that_cannot_be_one_reaches_no_command_line(string hostName, string reason)
    {
        var error = await Assert.ThrowsAsync<BuilderException>(() => ReadAsync(Builder(hostName)));

        Assert.Equal(BuilderFailure.Configuration, error.Failure);
        Assert.Contains("host name", error.Message);
        Assert.Contains(reason, error.Message);
        Assert.Contains("/etc/nix/machines line 1", error.Recommendation);
    }

    [Theory]
    [InlineData("-oProxyCommand=x")]
    [InlineData("a b")]
    public async Task A_user_name_that_cannot_be_one_reaches_no_command_line(string user)
    {
        var error = await Assert.ThrowsAsync<BuilderException>(() => ReadAsync(Builder("ruby", user)));

        Assert.Equal(BuilderFailure.Configuration, error.Failure);
        Assert.Contains("user", error.Message);
    }

    [Fact]
    public async Task A_mistake_in_ssh_config_is_told_in_OpenSSHs_words()
    {
        await File.WriteAllTextAsync(file, "Hots ruby\n", TestContext.Current.CancellationToken);

        var error = await Assert.ThrowsAsync<BuilderException>(() => ReadAsync(Builder("ruby")));

        Assert.Equal(BuilderFailure.Configuration, error.Failure);
        Assert.Contains("line 1: Bad configuration option: hots", error.Message);
    }

    private static NixBuilder Builder(string hostName, string? user = null, int? port = null) => new()
    {
        Name = "ruby",
        HostName = hostName,
        Uri = "ssh-ng://" + hostName,
        User = user,
        Port = port,
        Systems = ["x86_64-linux"],
        Source = "/etc/nix/machines line 1",
    };

    private Task<SshConfig> ReadAsync(NixBuilder builder) =>
        SshConfigReader.ReadAsync(builder, Environment, TestContext.Current.CancellationToken);
}
