using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.Transport;
using static NixBuildFarm.Ssh.Tests.Connection.Channels;
using static NixBuildFarm.Ssh.Tests.Program.SshPrograms;

namespace NixBuildFarm.Ssh.Tests.Program;

/// <summary>The ssh program behind the same interface: same promises, same errors.</summary>
public class SshProgramTransportTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_builder_behind_a_jump_host_is_reached_with_the_ssh_program()
    {
        await using var server = await SshServer.StartAsync();
        server.MakeKnown();
        server.Configure(
            "Host ruby", "  HostName 127.0.0.1", $"  Port {server.Port}", "  ProxyJump jump",
            "Host jump", "  HostName 127.0.0.1", $"  Port {server.Port}", "  User root");
        var said = new List<string>();
        await using var transport = server.Transport(
            new NixBuilder
            {
                Name = "ruby",
                HostName = "ruby",
                Uri = "ssh-ng://root@ruby",
                User = "root",
                Systems = ["x86_64-linux"],
                RemoteProgram = ["sh", "-c", "exec cat"],
                Source = "test",
            },
            new TransportOptions { Verbose = said.Add });

        await using var channel = await transport.OpenAsync(ChannelUse.Build, Cancellation);
        await EchoAsync([channel]);

        Assert.Contains(said, text => text.Contains("uses the ssh program: ProxyJump jump"));
    }

    [Fact]
    public async Task Written_bytes_come_back_whole()
    {
        await using var server = await SshServer.StartAsync();
        await using var transport = await TransportAsync(server, server.Builder(hostKey: server.HostKeyLine));
        await using var channel = await transport.OpenAsync(ChannelUse.Bulk, Cancellation);

        await EchoMuchAsync(channel, 20_000_000);
    }

    [Fact]
    public async Task The_programs_first_words_follow_the_login_at_once()
    {
        await using var server = await SshServer.StartAsync();
        await using var transport = await TransportAsync(server, server.Builder("printf 'first words'", server.HostKeyLine));
        await using var channel = await transport.OpenAsync(ChannelUse.Build, Cancellation);

        Assert.Equal("first words", await channel.Stream.ReadToEndAsync());
    }

    [Fact]
    public async Task The_builders_own_host_key_is_all_that_counts()
    {
        await using var server = await SshServer.StartAsync();
        server.MakeKnown();
        var another = SshServer.PublicKey(server.NewKey("another"));

        Assert.Equal(BuilderFailure.HostKeyMismatch, (await FailAsync(server, server.Builder(hostKey: another))).Failure);
    }

    [Fact]
    public async Task A_revoked_host_key_is_refused_although_the_builder_has_it_as_its_own()
    {
        await using var server = await SshServer.StartAsync();
        server.MakeKnown($"@revoked [127.0.0.1]:{server.Port} {server.HostKeyLine}");

        var error = await FailAsync(server, server.Builder(hostKey: server.HostKeyLine));

        Assert.Equal(BuilderFailure.HostKeyMismatch, error.Failure);
        Assert.Contains("revoked", error.Message);
    }

    [Fact]
    public async Task A_ProxyCommand_that_ends_is_told_in_its_own_words()
    {
        await using var server = await SshServer.StartAsync();
        server.Configure("ProxyCommand sh -c \"echo 'Session expired, run: corp login' >&2; exit 1\"");

        var error = await FailAsync(server, server.Builder(hostKey: server.HostKeyLine));

        Assert.Equal(BuilderFailure.Unreachable, error.Failure);
        Assert.Contains("cannot be reached: Session expired, run: corp login", error.Message);
        Assert.Contains("ProxyCommand sh -c", error.Recommendation);
    }

    [Fact]
    public async Task A_jump_host_whose_key_is_unknown_is_a_host_key_that_ssh_refuses()
    {
        await using var server = await SshServer.StartAsync();
        server.Configure("Host 127.0.0.1", $"  ProxyJump root@localhost:{server.Port}");

        Assert.Equal(BuilderFailure.HostKeyMismatch, (await FailAsync(server, server.Builder(hostKey: server.HostKeyLine))).Failure);
    }

    [Fact]
    public async Task An_unknown_host_key_is_refused_whatever_ssh_config_says()
    {
        await using var server = await SshServer.StartAsync();
        server.Configure("StrictHostKeyChecking no");

        Assert.Equal(BuilderFailure.HostKeyMismatch, (await FailAsync(server, server.Builder())).Failure);
    }

    [Fact]
    public async Task A_changed_host_key_is_refused()
    {
        await using var server = await SshServer.StartAsync();
        server.MakeKnown();
        await server.RestartAsync(server.NewKey("new_host_key"));

        Assert.Equal(BuilderFailure.HostKeyMismatch, (await FailAsync(server, server.Builder())).Failure);
    }

    [Fact]
    public async Task A_key_that_the_server_does_not_take_is_an_authentication_failure()
    {
        await using var server = await SshServer.StartAsync();
        server.Configure("IdentitiesOnly yes");
        File.WriteAllText(Path.Combine(server.Folder, "authorized_keys"), "");

        Assert.Equal(BuilderFailure.AuthenticationFailed, (await FailAsync(server, server.Builder(hostKey: server.HostKeyLine))).Failure);
    }

    [Fact]
    public async Task A_refused_connection_is_unreachable()
    {
        await using var server = await SshServer.StartAsync();
        var builder = server.Builder(hostKey: server.HostKeyLine);
        await server.StopAsync();

        var error = await FailAsync(server, builder);

        Assert.Equal(BuilderFailure.Unreachable, error.Failure);
        Assert.Contains("refused", error.Message);
    }

    [Fact]
    public async Task A_server_that_says_nothing_is_given_up_in_time()
    {
        await using var server = await SshServer.StartAsync();
        server.Signal("STOP");
        SshServer.Run("kill", "-STOP", server.Pid.ToString());

        var error = await FailAsync(
            server, server.Builder(hostKey: server.HostKeyLine), new() { ConnectTimeout = TimeSpan.FromSeconds(1) });

        Assert.Equal(BuilderFailure.Unreachable, error.Failure);
    }

    [Fact]
    public async Task A_server_that_greets_late_once_is_asked_again()
    {
        await using var server = await SshServer.StartAsync();
        server.Pause();
        await using var transport = await TransportAsync(
            server,
            server.Builder(hostKey: server.HostKeyLine),
            new()
            {
                ConnectTimeout = TimeSpan.FromSeconds(5),
                Verbose = text =>
                {
                    if (text.Contains("trying again")) server.Continue();
                },
            });

        await using var channel = await transport.OpenAsync(ChannelUse.Bulk, Cancellation);

        await EchoAsync([channel]);
    }

    [Fact]
    public async Task Connecting_can_be_cancelled()
    {
        await using var server = await SshServer.StartAsync();
        SshServer.Run("kill", "-STOP", server.Pid.ToString());
        await using var transport = await TransportAsync(server, server.Builder(hostKey: server.HostKeyLine));
        using var cancel = new CancellationTokenSource();
        var opening = transport.OpenAsync(ChannelUse.Build, cancel.Token);
        await Task.Delay(200, Cancellation);

        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => opening.WaitAsync(Until.Limit, Cancellation));
    }

    [Fact]
    public async Task A_builder_without_Nix_is_told_from_one_that_is_gone()
    {
        await using var server = await SshServer.StartAsync();
        await using var transport = await TransportAsync(server, server.Builder("exec no-such-nix-daemon", server.HostKeyLine));
        await using var channel = await transport.OpenAsync(ChannelUse.Build, Cancellation);

        var error = await Assert.ThrowsAsync<BuilderException>(() => channel.Stream.ReadAsync(1));

        Assert.Equal(BuilderFailure.NoNix, error.Failure);
        Assert.Contains("not found", error.Message);
    }

    [Fact]
    public async Task A_server_that_dies_breaks_the_stream()
    {
        await using var server = await SshServer.StartAsync();
        await using var transport = await TransportAsync(server, server.Builder(hostKey: server.HostKeyLine));
        await using var channel = await transport.OpenAsync(ChannelUse.Build, Cancellation);
        await EchoAsync([channel]);
        var reading = channel.Stream.ReadAsync(1);

        await server.StopAsync();

        Assert.Equal(BuilderFailure.ConnectionLost, (await Assert.ThrowsAsync<BuilderException>(() => reading)).Failure);
    }

    [Fact]
    public async Task A_server_that_falls_silent_is_noticed()
    {
        await using var server = await SshServer.StartAsync();
        await using var transport = await TransportAsync(
            server, server.Builder(hostKey: server.HostKeyLine), new() { SilenceTimeout = TimeSpan.FromSeconds(3) });
        await using var channel = await transport.OpenAsync(ChannelUse.Build, Cancellation);
        var reading = channel.Stream.ReadAsync(1);

        server.Signal("STOP");

        Assert.Equal(BuilderFailure.ConnectionLost, (await Assert.ThrowsAsync<BuilderException>(() => reading)).Failure);
    }

    [Theory]
    [InlineData("exec cat")]
    [InlineData("yes")]
    [InlineData(Connection.Channels.Deaf)]
    public async Task Disposing_the_transport_leaves_no_process_and_no_file(string command)
    {
        await using var server = await SshServer.StartAsync();
        var transport = await TransportAsync(server, server.Builder(command, server.HostKeyLine));
        _ = await transport.OpenAsync(ChannelUse.Build, Cancellation);
        _ = await transport.OpenAsync(ChannelUse.Bulk, Cancellation);
        Assert.Equal(2, Children().Count);
        var keyFile = KeyFileOf(Children()[0]);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(keyFile));

        await transport.DisposeAsync().AsTask().WaitAsync(Until.Limit, Cancellation);

        Assert.Empty(Children());
        Assert.False(Directory.Exists(Path.GetDirectoryName(keyFile)));
    }

    private static async Task<BuilderException> FailAsync(SshServer server, NixBuilder builder, TransportOptions? options = null)
    {
        await using var transport = await TransportAsync(server, builder, options);
        var error = await Assert.ThrowsAsync<BuilderException>(
            () => transport.OpenAsync(ChannelUse.Build, Cancellation).WaitAsync(Until.Limit, Cancellation));
        TestContext.Current.TestOutputHelper?.WriteLine($"{error.Message}\n  → {error.Recommendation}");
        Assert.NotNull(error.Recommendation);
        return error;
    }

    private static string KeyFileOf(string pid) => File.ReadAllText($"/proc/{pid}/cmdline").Split('\0')
        .First(a => a.StartsWith("-oUserKnownHostsFile=", StringComparison.Ordinal)).Split('=')[1].Trim('"');
}
