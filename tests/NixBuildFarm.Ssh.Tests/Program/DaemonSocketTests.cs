using System.Globalization;
using System.Net.Sockets;
using NixBuildFarm.Ssh.Program;
using NixBuildFarm.Transport;
using static NixBuildFarm.Ssh.Tests.Connection.Channels;

namespace NixBuildFarm.Ssh.Tests.Program;

/// <summary>Channels that lead straight to the socket of a builder's daemon, where they can.</summary>
public class DaemonSocketTests
{
    private readonly List<string> said = [];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_channel_leads_to_the_socket_and_starts_no_process_there()
    {
        await using var server = await SshServer.StartAsync();
        using var daemon = Daemon(server);
        await using var transport = await TransportAsync(server);
        var first = await transport.OpenAsync(ChannelUse.Build, Cancellation);
        using var atFirst = await daemon.AcceptAsync(Cancellation);
        var processes = server.Descendants().Count;

        foreach (var use in new[] { ChannelUse.Build, ChannelUse.PassedOnBuild })
        {
            // One by one: of two that are opened at once, either may be the first at the socket.
            var channel = await transport.OpenAsync(use, Cancellation);
            using var end = await daemon.AcceptAsync(Cancellation);
            Assert.True(channel.IsDaemonSocket);
            await channel.Stream.WriteTextAsync("ping");
            await AnswerAsync(end);
            Assert.Equal("ping", await channel.Stream.ReadAsync(4));
            Assert.Equal(processes, server.Descendants().Count);
        }
        Assert.True(first.IsDaemonSocket);
    }

    [Fact]
    public async Task Closing_a_channel_hangs_up_on_a_daemon_that_says_nothing()
    {
        await using var server = await SshServer.StartAsync();
        using var daemon = Daemon(server);
        await using var transport = await TransportAsync(server);
        var channel = await transport.OpenAsync(ChannelUse.Build, Cancellation);
        await channel.Stream.WriteTextAsync("ping");
        using var end = await daemon.AcceptAsync(Cancellation);
        Assert.Equal(4, await end.ReceiveAsync(new byte[4], Cancellation));

        await channel.DisposeAsync();

        // Not only the end of the input: that leaves a build going on. Nix waits for this too (POLLHUP).
        await Until.TrueAsync(() => HasHungUp(end), "the daemon can send no answer");
    }

    [Fact]
    public async Task A_daemon_that_closes_the_socket_at_once_is_told_as_that()
    {
        await using var server = await SshServer.StartAsync();
        using var daemon = Daemon(server);
        await using var transport = await TransportAsync(server);
        await using var channel = await transport.OpenAsync(ChannelUse.Build, Cancellation);
        (await daemon.AcceptAsync(Cancellation)).Dispose();

        var error = await Assert.ThrowsAsync<Errors.BuilderException>(() => channel.Stream.ReadAsync(1));

        Assert.Equal(Errors.BuilderFailure.NoNix, error.Failure);
        Assert.Contains("allowed-users", error.Recommendation);
    }

    [Theory]
    [InlineData("AllowStreamLocalForwarding no")]
    [InlineData("DisableForwarding yes")]
    public async Task Where_sshd_forbids_it_a_program_is_run_and_that_is_told_once(string setting)
    {
        await using var server = await SshServer.StartAsync(setting);
        using var daemon = Daemon(server);

        await AssertRunsProgramsAsync(server, "its sshd does not open");
    }

    [Fact]
    public async Task Where_the_login_may_not_forward_a_program_is_run()
    {
        await using var server = await SshServer.StartAsync();
        using var daemon = Daemon(server, "restrict");

        await AssertRunsProgramsAsync(server, "its sshd does not open");
    }

    [Fact]
    public async Task Where_nobody_listens_a_program_is_run()
    {
        await using var server = await SshServer.StartAsync();
        Daemon(server).Dispose();

        await AssertRunsProgramsAsync(server, "its sshd does not open");
    }

    [Theory]
    [InlineData("NIX_REMOTE=local?root=/elsewhere")]
    [InlineData("NIX_STATE_DIR=/elsewhere")]
    [InlineData("NIX_CONFIG=store = /elsewhere")]
    [InlineData("NIX_CONF_DIR={0}")]
    [InlineData("NIX_USER_CONF_FILES=/nowhere:{0}/nix.conf")]
    [InlineData("NIX_USER_CONF_FILES={0}/including.conf")]
    [InlineData("XDG_CONFIG_HOME={0}/home")]
    public async Task Where_the_login_uses_another_store_a_program_is_run(string variable)
    {
        await using var server = await SshServer.StartAsync();
        WriteSettings(server, "store = /elsewhere");
        using var daemon = Daemon(server, $"environment=\"{string.Format(CultureInfo.InvariantCulture, variable, server.Folder)}\"");

        await AssertRunsProgramsAsync(server, "names another store");
    }

    [Theory]
    [InlineData("NIX_CONFIG=cores = 2")]
    [InlineData("NIX_CONF_DIR={0}")]
    [InlineData("NIX_USER_CONF_FILES={0}/including.conf")]
    public async Task Other_settings_of_the_login_leave_the_socket_in_use(string variable)
    {
        await using var server = await SshServer.StartAsync();
        WriteSettings(server, "# store = /elsewhere");
        using var daemon = Daemon(server, $"environment=\"{string.Format(CultureInfo.InvariantCulture, variable, server.Folder)}\"");
        await using var transport = await TransportAsync(server);

        await using var channel = await transport.OpenAsync(ChannelUse.Build, Cancellation);

        Assert.True(channel.IsDaemonSocket);
    }

    [Fact]
    public async Task Once_the_socket_is_left_programs_are_run()
    {
        await using var server = await SshServer.StartAsync();
        using var daemon = Daemon(server);
        await using var transport = await TransportAsync(server);
        await using var straight = await transport.OpenAsync(ChannelUse.Build, Cancellation);

        transport.LeaveDaemonSocket("the daemon does not trust the login");

        await using var channel = await transport.OpenAsync(ChannelUse.Build, Cancellation);
        await EchoAsync([channel]);
        Assert.False(channel.IsDaemonSocket);
        Assert.Single(said, text => text.Contains("runs nix-daemon for each channel: the daemon does not trust the login"));
    }

    [Theory]
    [InlineData("", "", "/nix/var/nix/daemon-socket/socket")]
    [InlineData("/run/nix", "", "/run/nix")]
    [InlineData("/run/nix", "daemon", "/run/nix")]
    [InlineData("/run/nix", "unix:///run/other", "/run/other")]
    [InlineData("", "unix:///run/other?root=/mnt", null)]
    [InlineData("", "auto", "/nix/var/nix/daemon-socket/socket")]
    [InlineData("", "local", null)]
    [InlineData("", "ssh-ng://elsewhere", null)]
    public void The_socket_is_that_which_the_logins_own_Nix_would_use(string path, string remote, string? socket) =>
        Assert.Equal(socket, SshMaster.SocketOf(path, remote));

    private static void WriteSettings(SshServer server, string line)
    {
        var home = Directory.CreateDirectory(Path.Combine(server.Folder, "home", "nix")).FullName;
        foreach (var folder in new[] { server.Folder, home })
        {
            File.WriteAllText(Path.Combine(folder, "nix.conf"), $"cores = 1\n{line}\nstore-dir-hint = 1\n");
        }
        File.WriteAllText(Path.Combine(server.Folder, "including.conf"), "!include nix.conf\n");
    }

    private async Task AssertRunsProgramsAsync(SshServer server, string reason)
    {
        await using var transport = await TransportAsync(server);
        await using var one = await transport.OpenAsync(ChannelUse.Build, Cancellation);
        await using var other = await transport.OpenAsync(ChannelUse.Build, Cancellation);

        await EchoAsync([one, other]);

        Assert.False(one.IsDaemonSocket);
        Assert.Single(said, text => text.Contains("runs nix-daemon for each channel") && text.Contains(reason));
    }

    /// <summary>Listens where the login's Nix looks for its daemon; the login's <c>nix-daemon</c> echoes.</summary>
    private static Socket Daemon(SshServer server, params string[] options)
    {
        var programs = Directory.CreateDirectory(Path.Combine(server.Folder, "bin")).FullName;
        var program = Path.Combine(programs, "nix-daemon");
        File.WriteAllText(program, "#!/bin/sh\nexec cat\n");
        File.SetUnixFileMode(program, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        var path = Path.Combine(server.Folder, "daemon");
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(path));
        socket.Listen();
        server.AuthorizeWith(
            [.. options, $"environment=\"NIX_DAEMON_SOCKET_PATH={path}\"", $"environment=\"PATH={programs}:/usr/bin:/bin\""]);
        return socket;
    }

    private static async Task AnswerAsync(Socket end)
    {
        var buffer = new byte[100];
        var count = await end.ReceiveAsync(buffer, Cancellation);
        await end.SendAsync(buffer.AsMemory(0, count), Cancellation);
    }

    private static bool HasHungUp(Socket end)
    {
        try
        {
            return end.Send("x"u8) == 0;
        }
        catch (SocketException)
        {
            return true;
        }
    }

    private Task<SshProgramTransport> TransportAsync(SshServer server) =>
        SshPrograms.TransportAsync(server, server.Builder(command: null, server.HostKeyLine), new() { Verbose = Say });

    private void Say(string text)
    {
        lock (said) said.Add(text);
    }
}
