using NixBuildFarm.Errors;
using NixBuildFarm.Ssh.Program;
using NixBuildFarm.Transport;
using static NixBuildFarm.Ssh.Tests.Connection.Channels;

namespace NixBuildFarm.Ssh.Tests.Program;

/// <summary>Many channels of the ssh program over one login.</summary>
public class SharedLoginTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task All_channels_but_those_for_NARs_share_a_login()
    {
        await using var server = await SshServer.StartAsync();
        await using var transport = await TransportAsync(server);

        var channels = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => transport.OpenAsync(ChannelUse.Build, Cancellation)));
        await EchoAsync(channels);
        Assert.Equal(1, LoginsOf(server));

        await using var bulk = await transport.OpenAsync(ChannelUse.Bulk, Cancellation);
        await EchoAsync([bulk]);
        Assert.Equal(2, LoginsOf(server));
    }

    [Fact]
    public async Task Written_bytes_come_back_whole_over_several_channels_at_once()
    {
        await using var server = await SshServer.StartAsync();
        await using var transport = await TransportAsync(server);
        await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => OpenAndEchoAsync()));

        async Task OpenAndEchoAsync()
        {
            await using var channel = await transport.OpenAsync(ChannelUse.Build, Cancellation);
            await EchoMuchAsync(channel, 10_000_000);
        }
    }

    [Fact]
    public async Task A_reader_that_stands_still_holds_up_its_own_channel_only()
    {
        await using var server = await SshServer.StartAsync();
        await using var transport = await TransportAsync(
            server, "read word; [ $word = echo ] && exec cat; exec yes 0123456789abcde");
        await using var flooding = await transport.OpenAsync(ChannelUse.Build, Cancellation);
        await flooding.Stream.WriteTextAsync("flood\n");
        await using var echoing = await transport.OpenAsync(ChannelUse.Build, Cancellation);
        await echoing.Stream.WriteTextAsync("echo\n");

        await EchoAsync([echoing]);
        var text = await flooding.Stream.ReadAsync(4_000_000);

        Assert.Equal(string.Concat(Enumerable.Repeat("0123456789abcde\n", 250_000)), text);
        await EchoAsync([echoing]);
    }

    [Fact]
    public async Task A_program_tells_its_last_words_and_its_end()
    {
        await using var server = await SshServer.StartAsync();
        await using var transport = await TransportAsync(server, "echo 'the disk is on fire' >&2; exec no-such-program");
        await using var channel = await transport.OpenAsync(ChannelUse.Build, Cancellation);

        var error = await Assert.ThrowsAsync<BuilderException>(() => channel.Stream.ReadAsync(1));

        Assert.Equal(BuilderFailure.NoNix, error.Failure);
        Assert.Contains("the disk is on fire", channel.ErrorOutput);
    }

    [Fact]
    public async Task A_program_that_is_killed_is_told_as_that()
    {
        await using var server = await SshServer.StartAsync();
        await using var transport = await TransportAsync(server, "kill -KILL $$");
        await using var channel = await transport.OpenAsync(ChannelUse.Build, Cancellation);

        var error = await Assert.ThrowsAsync<BuilderException>(() => channel.Stream.ReadAsync(1));

        Assert.Equal(BuilderFailure.ConnectionLost, error.Failure);
        Assert.Contains("signal KILL", error.Message);
    }

    [Fact]
    public async Task Where_the_server_allows_one_session_each_channel_has_a_login()
    {
        await using var server = await SshServer.StartAsync("MaxSessions 1");
        await using var transport = await TransportAsync(server);

        var channels = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => transport.OpenAsync(ChannelUse.Build, Cancellation)));

        await EchoAsync(channels);
    }

    [Fact]
    public async Task A_server_that_had_no_more_sessions_once_has_them_again_when_channels_are_closed()
    {
        await using var server = await SshServer.StartAsync("MaxSessions 2");
        await using var transport = await TransportAsync(server);
        var channels = await Task.WhenAll(Enumerable.Range(0, 5).Select(_ => transport.OpenAsync(ChannelUse.Build, Cancellation)));
        await EchoAsync(channels);
        Assert.True(LoginsOf(server) > 1, server.Log);
        foreach (var channel in channels) await channel.DisposeAsync();

        // sshd counts a command until it has ended.
        await Until.TrueAsync(OpensWithoutLoginAsync, "a channel needs no login of its own");

        async Task<bool> OpensWithoutLoginAsync()
        {
            var before = LoginsOf(server);
            await using var channel = await transport.OpenAsync(ChannelUse.Build, Cancellation);
            await EchoAsync([channel]);
            return LoginsOf(server) == before;
        }
    }

    [Fact]
    public async Task Where_ssh_can_have_no_control_socket_each_channel_has_a_login()
    {
        await using var server = await SshServer.StartAsync();
        // As on a file system without sockets: the folder is gone before ssh listens in it.
        var script = Path.Combine(server.Folder, "remove-folder");
        await File.WriteAllTextAsync(
            script,
            """
            socket=$(tr '\0' '\n' < /proc/$PPID/cmdline | sed -n 's/^-oControlPath="\(.*\)"$/\1/p')
            [ -z "$socket" ] || rm -r "${socket%/*}"
            exit 1
            """,
            Cancellation);
        server.Configure($"Match exec \"exec sh {script}\"");
        server.MakeKnown();
        var said = new List<string>();
        await using var transport = await TransportAsync(server, options: new() { Verbose = said.Add }, isPinned: false);

        await using var one = await transport.OpenAsync(ChannelUse.Build, Cancellation);
        await using var other = await transport.OpenAsync(ChannelUse.Build, Cancellation);

        await EchoAsync([one, other]);
        Assert.Single(said, text => text.Contains("each channel logs in by itself: ssh can have no socket"));
    }

    [Fact]
    public async Task A_login_with_a_command_of_its_own_runs_that_for_each_channel()
    {
        await using var server = await SshServer.StartAsync();
        // As a forced nix-daemon would: it reads a greeting, and ends where that is none.
        server.AuthorizeWith("command=\"sh -c 'read word; [ \\\"$word\\\" = hello ] && exec cat'\"");
        var said = new List<string>();
        await using var transport = await TransportAsync(server, options: new() { Verbose = said.Add });
        var channels = await Task.WhenAll(Enumerable.Range(0, 2).Select(_ => transport.OpenAsync(ChannelUse.Build, Cancellation)));
        foreach (var channel in channels) await channel.Stream.WriteTextAsync("hello\n");

        await EchoAsync(channels);

        Assert.Single(said, text => text.Contains("each channel logs in by itself: the login runs a command of its own"));
    }

    [Fact]
    public async Task A_login_whose_own_command_says_nothing_is_taken_as_it_is()
    {
        await using var server = await SshServer.StartAsync();
        server.AuthorizeWith("command=\"while [ -d $HOME ]; do sleep 0.2; done\"");
        var said = new List<string>();
        await using var transport = await TransportAsync(
            server, options: new() { ConnectTimeout = TimeSpan.FromSeconds(5), Verbose = said.Add });

        await using var channel = await transport.OpenAsync(ChannelUse.Build, Cancellation);

        Assert.Single(said, text => text.Contains("each channel logs in by itself: the login runs a command of its own"));
    }

    [Fact]
    public async Task A_login_that_is_lost_at_once_is_not_taken_for_one_with_a_command_of_its_own()
    {
        await using var server = await SshServer.StartAsync();
        // The first login loses its sshd, before anything is run.
        var script = Path.Combine(server.Folder, "first");
        await File.WriteAllTextAsync(
            script, "[ -e $HOME/seen ] && exec sh -c \"$SSH_ORIGINAL_COMMAND\"; : > $HOME/seen; kill -KILL $PPID\n", Cancellation);
        server.AuthorizeWith($"command=\"exec sh {script}\"");
        var said = new List<string>();
        await using var transport = await TransportAsync(server, options: new() { Verbose = said.Add });

        await using var first = await transport.OpenAsync(ChannelUse.Build, Cancellation);
        await using var second = await transport.OpenAsync(ChannelUse.Build, Cancellation);
        await using var third = await transport.OpenAsync(ChannelUse.Build, Cancellation);

        await EchoAsync([first, second, third]);
        Assert.DoesNotContain(said, text => text.Contains("each channel logs in by itself"));
        Assert.Equal(3, LoginsOf(server)); // that which is lost, one in its place, and one that is shared
    }

    [Fact]
    public async Task A_login_that_is_lost_is_followed_by_another()
    {
        await using var server = await SshServer.StartAsync();
        await using var transport = await TransportAsync(server);
        await using var lost = await transport.OpenAsync(ChannelUse.Build, Cancellation);
        await EchoAsync([lost]);
        server.Signal("KILL");
        Assert.Equal(
            BuilderFailure.ConnectionLost, (await Assert.ThrowsAsync<BuilderException>(() => lost.Stream.ReadAsync(1))).Failure);

        await using var next = await transport.OpenAsync(ChannelUse.Build, Cancellation);

        await EchoAsync([next]);
    }

    [Fact]
    public async Task Opening_a_channel_can_be_cancelled_and_the_others_stay()
    {
        await using var server = await SshServer.StartAsync();
        await using var transport = await TransportAsync(server);
        await using var first = await transport.OpenAsync(ChannelUse.Build, Cancellation);
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => transport.OpenAsync(ChannelUse.Build, cancelled.Token));

        await EchoAsync([first]);
    }

    [Fact]
    public async Task Channels_that_are_closed_leave_nothing_open_here_nor_in_the_ssh_process()
    {
        await using var server = await SshServer.StartAsync();
        await using var transport = await TransportAsync(server);
        await OpenAndCloseAsync(3);
        var (here, inSsh) = (OpenFiles("self"), OpenFiles(SshProcess()));

        await OpenAndCloseAsync(40);

        await Until.TrueAsync(() => OpenFiles("self") <= here, "as few files are open as before");
        await Until.TrueAsync(() => OpenFiles(SshProcess()) <= inSsh, "ssh has as few open as before");
        Assert.Equal(1, LoginsOf(server));

        async Task OpenAndCloseAsync(int count)
        {
            for (var i = 0; i < count; i++)
            {
                await using var channel = await transport.OpenAsync(ChannelUse.Build, Cancellation);
                await EchoAsync([channel]);
            }
        }
    }

    private static int OpenFiles(string process) => Directory.GetFileSystemEntries($"/proc/{process}/fd").Length;

    private static string SshProcess() => Assert.Single(SshPrograms.Children());

    private static int LoginsOf(SshServer server) => server.Log.Split('\n').Count(line => line.Contains("Accepted publickey"));

    private static Task<SshProgramTransport> TransportAsync(
        SshServer server, string command = "exec cat", TransportOptions? options = null, bool isPinned = true) =>
        SshPrograms.TransportAsync(server, server.Builder(command, isPinned ? server.HostKeyLine : null), options);
}
