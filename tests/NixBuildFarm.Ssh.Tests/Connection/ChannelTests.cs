using System.Diagnostics;
using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Ssh.Tests.Connection;

/// <summary>What a channel does with bytes, with the ends of things, and with a server that misbehaves.</summary>
public class ChannelTests
{
    private const int Line = 16;
    // Longer than a busy machine keeps a server that answers from it.
    private static readonly TransportOptions Impatient = new() { SilenceTimeout = TimeSpan.FromSeconds(5) };

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_program_is_called_as_nix_daemon_is()
    {
        await using var server = await SshServer.StartAsync();
        await using var transport = server.SshNetTransport("printf '%s.' \"$0\" \"$@\"");
        await using var channel = await transport.OpenAsync(ChannelUse.Build, Cancellation);

        Assert.Equal("nix-daemon.--stdio.", await channel.Stream.ReadToEndAsync());
    }

    [Fact]
    public async Task Reading_and_writing_go_on_at_the_same_time()
    {
        await using var server = await SshServer.StartAsync();
        await using var transport = server.SshNetTransport();
        await using var channel = await transport.OpenAsync(ChannelUse.Bulk, Cancellation);
        var sent = new byte[20_000_000];
        Random.Shared.NextBytes(sent);

        var writing = channel.Stream.WriteAsync(sent, Cancellation).AsTask();
        var received = new byte[sent.Length];
        await channel.Stream.ReadExactlyAsync(received, Cancellation);
        await writing;

        Assert.True(sent.AsSpan().SequenceEqual(received));
    }

    [Fact]
    public async Task A_slow_reader_of_more_than_2_GiB_gets_every_byte_and_costs_little_memory()
    {
        const long size = 2_400_000_000 / Line * Line;
        await using var server = await SshServer.StartAsync();
        await using var transport = server.SshNetTransport($"yes 0123456789abcde | head -c {size}");
        await using var channel = await transport.OpenAsync(ChannelUse.Bulk, Cancellation);
        var before = Memory();
        await Task.Delay(TimeSpan.FromSeconds(2), Cancellation); // enough for the builder to send far more than is kept

        var (read, highest) = await CountAsync(channel.Stream);

        Assert.Equal(size, read);
        Assert.InRange(highest - before, long.MinValue, 100_000_000);
    }

    [Fact]
    public async Task A_reader_that_stops_holds_the_builder_back()
    {
        await using var server = await SshServer.StartAsync();
        await using var transport = server.SshNetTransport($"yes 0123456789abcde | head -c 100000000; touch {server.Folder}/sent");
        await using var channel = await transport.OpenAsync(ChannelUse.Bulk, Cancellation);

        await Task.Delay(TimeSpan.FromSeconds(2), Cancellation); // 20 times what it takes to send all that
        Assert.False(File.Exists(Path.Combine(server.Folder, "sent")));

        var (read, _) = await CountAsync(channel.Stream);
        Assert.Equal(100_000_000, read);
    }

    [Fact]
    public async Task New_session_keys_in_the_middle_disturb_nothing()
    {
        const long size = 200_000_000 / Line * Line;
        await using var server = await SshServer.StartAsync("RekeyLimit 20M", "LogLevel DEBUG1");
        await using var transport = server.SshNetTransport($"yes 0123456789abcde | head -c {size}");
        await using var channel = await transport.OpenAsync(ChannelUse.Bulk, Cancellation);

        Assert.Equal(size, (await CountAsync(channel.Stream)).Read);
        Assert.InRange(server.Log.Split("SSH2_MSG_NEWKEYS received").Length - 1, 5, 100);
    }

    [Fact]
    public async Task A_flood_on_one_channel_loses_nothing_and_stops_no_other_while_it_is_read()
    {
        const long size = 300_000_000 / Line * Line;
        await using var server = await SshServer.StartAsync();
        await using var transport = server.SshNetTransport($"read what; case $what in flood) yes 0123456789abcde | head -c {size};; *) exec cat;; esac");
        await using var flood = await transport.OpenAsync(ChannelUse.Build, Cancellation);
        await using var other = await transport.OpenAsync(ChannelUse.Build, Cancellation);
        await flood.Stream.WriteTextAsync("flood\n");
        await other.Stream.WriteTextAsync("echo\n");

        var counting = CountAsync(flood.Stream);
        for (var i = 0; i < 100; i++)
        {
            await other.Stream.WriteTextAsync("ping");
            Assert.Equal("ping", await other.Stream.ReadAsync(4));
        }

        Assert.Equal(size, (await counting).Read);
    }

    [Fact]
    public async Task A_flood_that_nobody_reads_ends_in_an_error_of_its_own_and_the_others_go_on()
    {
        await using var server = await SshServer.StartAsync();
        await using var transport = server.SshNetTransport("read what; case $what in flood) yes;; *) exec cat;; esac", Impatient);
        await using var flood = await transport.OpenAsync(ChannelUse.Build, Cancellation);
        await using var other = await transport.OpenAsync(ChannelUse.Build, Cancellation);
        await flood.Stream.WriteTextAsync("flood\n");
        await Task.Delay(200, Cancellation);

        await other.Stream.WriteTextAsync("echo\nping");

        Assert.Equal("ping", await other.Stream.ReadAsync(4));
        var error = await Assert.ThrowsAsync<BuilderException>(() => CountAsync(flood.Stream));
        Assert.Contains("nothing was read", error.Message);
    }

    [Fact]
    public async Task Cancelling_a_read_ends_it_and_loses_nothing()
    {
        await using var server = await SshServer.StartAsync();
        await using var transport = server.SshNetTransport();
        await using var channel = await transport.OpenAsync(ChannelUse.Build, Cancellation);
        using var cancel = new CancellationTokenSource();
        var reading = channel.Stream.ReadAsync(new byte[10], cancel.Token).AsTask();

        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reading.WaitAsync(TestStreams.Hang, Cancellation));
        await channel.Stream.WriteTextAsync("still here");
        Assert.Equal("still here", await channel.Stream.ReadAsync(10));
    }

    [Fact]
    public async Task Cancelling_a_write_that_nobody_reads_ends_it()
    {
        await using var server = await SshServer.StartAsync();
        await using var transport = server.SshNetTransport("exec sleep 100");
        await using var channel = await transport.OpenAsync(ChannelUse.Bulk, Cancellation);
        using var cancel = new CancellationTokenSource();
        var writing = channel.Stream.WriteAsync(new byte[50_000_000], cancel.Token).AsTask();
        await Task.Delay(300, Cancellation);
        Assert.False(writing.IsCompleted);

        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => writing.WaitAsync(TestStreams.Hang, Cancellation));
    }

    [Fact]
    public async Task A_program_that_ends_while_we_write_says_so()
    {
        await using var server = await SshServer.StartAsync();
        await using var transport = server.SshNetTransport("sleep 0.3; exit 3");
        await using var channel = await transport.OpenAsync(ChannelUse.Bulk, Cancellation);

        var error = await Assert.ThrowsAsync<BuilderException>(
            () => channel.Stream.WriteAsync(new byte[50_000_000], Cancellation).AsTask().WaitAsync(TestStreams.Hang, Cancellation));

        Assert.Equal(BuilderFailure.ConnectionLost, error.Failure);
        Assert.Contains("exit code 3", error.Message);
    }

    [Fact]
    public async Task The_end_of_the_program_is_the_end_of_the_stream_and_its_last_words_are_kept()
    {
        await using var server = await SshServer.StartAsync();
        await using var transport = server.SshNetTransport("printf output; printf '\\033[31mred\\033[0m error\\n' >&2; exit 1");
        await using var channel = await transport.OpenAsync(ChannelUse.Build, Cancellation);

        Assert.Equal("output", await channel.Stream.ReadToEndAsync());
        Assert.Equal("red error", channel.ErrorOutput);
    }

    [Fact]
    public async Task A_flood_of_errors_holds_up_nothing()
    {
        await using var server = await SshServer.StartAsync();
        await using var transport = server.SshNetTransport("yes error | head -c 100000000 >&2; printf done");
        await using var channel = await transport.OpenAsync(ChannelUse.Build, Cancellation);

        Assert.Equal("done", await channel.Stream.ReadToEndAsync());
        Assert.Equal(20, channel.ErrorOutput.Split('\n').Length);
    }

    [Fact]
    public async Task Greetings_of_shell_startup_files_are_there_for_the_protocol_to_see()
    {
        await using var server = await SshServer.StartAsync();
        await File.WriteAllTextAsync(Path.Combine(server.Folder, ".bashrc"), "echo Welcome to ruby\n", Cancellation);
        await using var transport = server.SshNetTransport();
        await using var channel = await transport.OpenAsync(ChannelUse.Build, Cancellation);

        Assert.Equal("Welcome to ruby\n", await channel.Stream.ReadAsync(16));
    }

    [Fact]
    public async Task A_builder_without_Nix_is_told_from_one_that_is_gone()
    {
        await using var server = await SshServer.StartAsync();
        var builder = server.Builder(hostKey: server.HostKeyLine);
        await using var transport = server.Transport(WithProgram(builder, "no-such-nix-daemon"));
        await using var channel = await transport.OpenAsync(ChannelUse.Build, Cancellation);

        var error = await Assert.ThrowsAsync<BuilderException>(() => channel.Stream.ReadAsync(1));

        Assert.Equal(BuilderFailure.NoNix, error.Failure);
        Assert.Contains("no-such-nix-daemon --stdio", error.Message);
        Assert.Contains("not found", error.Message);
        Assert.Contains("remote-program", error.Recommendation);
    }

    [Fact]
    public async Task A_program_that_is_killed_is_no_end_of_the_stream()
    {
        await using var server = await SshServer.StartAsync();
        await using var transport = server.SshNetTransport("printf half; kill -KILL $$");
        await using var channel = await transport.OpenAsync(ChannelUse.Build, Cancellation);

        Assert.Equal("half", await channel.Stream.ReadAsync(4));
        var error = await Assert.ThrowsAsync<BuilderException>(() => channel.Stream.ReadAsync(1));
        Assert.Equal(BuilderFailure.ConnectionLost, error.Failure);
        Assert.Contains("KILL", error.Message);
    }

    [Fact]
    public async Task A_server_that_dies_breaks_reads_and_writes()
    {
        await using var server = await SshServer.StartAsync();
        await using var transport = server.SshNetTransport();
        await using var channel = await transport.OpenAsync(ChannelUse.Build, Cancellation);
        await channel.Stream.WriteTextAsync("hello");
        Assert.Equal("hello", await channel.Stream.ReadAsync(5));
        var reading = channel.Stream.ReadAsync(1);

        await server.StopAsync();

        Assert.Equal(BuilderFailure.ConnectionLost, (await Assert.ThrowsAsync<BuilderException>(() => reading)).Failure);
        var writing = channel.Stream.WriteTextAsync("anybody?");
        Assert.Equal(BuilderFailure.ConnectionLost, (await Assert.ThrowsAsync<BuilderException>(() => writing)).Failure);
    }

    [Fact]
    public async Task A_connection_that_broke_while_idle_is_made_anew()
    {
        await using var server = await SshServer.StartAsync();
        await using var transport = server.SshNetTransport();
        await using (await transport.OpenAsync(ChannelUse.Build, Cancellation))
        {
        }
        await server.RestartAsync();

        await using var channel = await transport.OpenAsync(ChannelUse.Build, Cancellation);

        await channel.Stream.WriteTextAsync("hello");
        Assert.Equal("hello", await channel.Stream.ReadAsync(5));
    }

    [Fact]
    public async Task A_server_that_falls_silent_is_noticed()
    {
        await using var server = await SshServer.StartAsync();
        await using var transport = server.SshNetTransport(options: Impatient);
        await using var channel = await transport.OpenAsync(ChannelUse.Build, Cancellation);
        var reading = channel.Stream.ReadAsync(1);

        server.Signal("STOP");

        var error = await Assert.ThrowsAsync<BuilderException>(() => reading);
        Assert.Equal(BuilderFailure.ConnectionLost, error.Failure);
        Assert.Contains("no answer for 5 s", error.Message);
    }

    [Fact]
    public async Task A_server_that_falls_silent_in_the_middle_of_a_write_is_noticed()
    {
        await using var server = await SshServer.StartAsync();
        await using var transport = server.SshNetTransport("exec cat >/dev/null", Impatient);
        await using var channel = await transport.OpenAsync(ChannelUse.Bulk, Cancellation);
        await channel.Stream.WriteTextAsync("hello");

        server.Signal("STOP");

        var writing = channel.Stream.WriteAsync(new byte[100_000_000], Cancellation).AsTask();
        var error = await Assert.ThrowsAsync<BuilderException>(() => writing.WaitAsync(TestStreams.Hang, Cancellation));
        Assert.Equal(BuilderFailure.ConnectionLost, error.Failure);
    }

    [Fact]
    public async Task A_server_with_nothing_to_say_is_not_silent()
    {
        await using var server = await SshServer.StartAsync();
        await using var transport = server.SshNetTransport(options: Impatient);
        await using var channel = await transport.OpenAsync(ChannelUse.Build, Cancellation);

        await Task.Delay(Impatient.SilenceTimeout * 2, Cancellation);

        await channel.Stream.WriteTextAsync("hello");
        Assert.Equal("hello", await channel.Stream.ReadAsync(5));
    }

    [Fact]
    public async Task A_server_that_is_held_back_by_a_slow_reader_is_not_silent()
    {
        const long size = 100_000_000 / Line * Line;
        await using var server = await SshServer.StartAsync();
        await using var transport = server.SshNetTransport($"yes 0123456789abcde | head -c {size}", Impatient);
        await using var channel = await transport.OpenAsync(ChannelUse.Bulk, Cancellation);

        await Task.Delay(Impatient.SilenceTimeout * 2, Cancellation);

        Assert.Equal(size, (await CountAsync(channel.Stream)).Read);
    }

    [Fact]
    public async Task Build_channels_share_a_connection_and_each_bulk_channel_has_its_own()
    {
        await using var server = await SshServer.StartAsync();
        await using var transport = server.SshNetTransport();
        var builds = await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => transport.OpenAsync(ChannelUse.Build, Cancellation)));
        Assert.Equal(2, Logins(server)); // nine and three

        var bulk = await Task.WhenAll(Enumerable.Range(0, 2).Select(_ => transport.OpenAsync(ChannelUse.Bulk, Cancellation)));
        Assert.Equal(4, Logins(server));

        await EchoAsync([.. builds, .. bulk]);
        await CloseAsync([.. builds, .. bulk]);
    }

    [Fact]
    public async Task A_channel_that_is_called_off_leaves_the_connection_that_is_being_made_to_others()
    {
        await using var server = await SshServer.StartAsync();
        await using var transport = server.SshNetTransport();
        using var impatience = new CancellationTokenSource();
        server.Pause();
        var calledOff = transport.OpenAsync(ChannelUse.Build, impatience.Token);
        var waiting = transport.OpenAsync(ChannelUse.Build, Cancellation);
        await Task.Delay(300, Cancellation);

        await impatience.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => calledOff);
        server.Continue();

        await using var channel = await waiting;
        await EchoAsync([channel]);
        Assert.Equal(1, Logins(server));
    }

    [Fact]
    public async Task A_free_connection_is_used_again()
    {
        await using var server = await SshServer.StartAsync();
        await using var transport = server.SshNetTransport();
        foreach (var use in new[] { ChannelUse.Build, ChannelUse.Bulk, ChannelUse.Build, ChannelUse.Bulk })
        {
            var channel = await transport.OpenAsync(use, Cancellation);
            await EchoAsync([channel]);
            await channel.DisposeAsync();
        }

        Assert.Equal(2, Logins(server));
    }

    [Theory]
    [InlineData(1, 4)]
    [InlineData(2, 2)]
    public async Task A_server_that_allows_few_sessions_gets_more_connections(int maxSessions, int connections)
    {
        await using var server = await SshServer.StartAsync($"MaxSessions {maxSessions}");
        await using var transport = server.SshNetTransport();
        var channels = new List<IBuilderChannel>();

        for (var i = 0; i < 4; i++) channels.Add(await transport.OpenAsync(ChannelUse.Build, Cancellation));

        await EchoAsync(channels);
        Assert.Equal(connections, Logins(server));
        await CloseAsync(channels);
    }

    [Fact]
    public async Task Channels_that_are_asked_for_at_once_all_open_although_the_server_allows_one_session()
    {
        await using var server = await SshServer.StartAsync("MaxSessions 1", "MaxStartups 100");
        await using var transport = server.SshNetTransport();

        var channels = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => transport.OpenAsync(ChannelUse.Build, Cancellation)));

        await EchoAsync(channels);
        await CloseAsync(channels);
    }

    [Fact]
    public async Task A_server_that_allows_no_session_says_so()
    {
        await using var server = await SshServer.StartAsync("MaxSessions 0");
        await using var transport = server.SshNetTransport();

        var error = await Assert.ThrowsAsync<BuilderException>(() => transport.OpenAsync(ChannelUse.Build, Cancellation));

        Assert.Equal(BuilderFailure.Unreachable, error.Failure);
        Assert.Contains("MaxSessions", error.Recommendation);
    }

    [Fact]
    public async Task Channels_that_wait_hold_no_threads()
    {
        await using var server = await SshServer.StartAsync("MaxStartups 100");
        await using var transport = server.SshNetTransport();
        var channels = await Task.WhenAll(Enumerable.Range(0, 36).Select(_ => transport.OpenAsync(ChannelUse.Build, Cancellation)));
        var reads = channels.Select(c => c.Stream.ReadAsync(4)).ToList();

        const int connections = 4;
        await TestStreams.UntilAsync(() => OwnThreads.Count == connections, "only SSH.NET's own thread of each connection stays");
        Assert.InRange(ThreadPool.ThreadCount, 0, Environment.ProcessorCount + 12); // not one for each channel

        await Task.WhenAll(channels.Select(c => c.Stream.WriteTextAsync("ping")));
        Assert.All(await Task.WhenAll(reads), text => Assert.Equal("ping", text));
        await CloseAsync(channels);
    }

    [Fact]
    public async Task Closing_a_channel_ends_its_program()
    {
        await using var server = await SshServer.StartAsync();
        await using var transport = server.SshNetTransport($"echo $$ > {server.Folder}/pid; exec cat");
        var channel = await transport.OpenAsync(ChannelUse.Build, Cancellation);
        await channel.Stream.WriteTextAsync("x");
        await channel.Stream.ReadAsync(1);
        var pid = (await File.ReadAllTextAsync(Path.Combine(server.Folder, "pid"), Cancellation)).Trim();
        Assert.True(Directory.Exists("/proc/" + pid));

        await channel.DisposeAsync();

        await TestStreams.UntilAsync(() => !Directory.Exists("/proc/" + pid), "the program ends");
    }

    [Fact]
    public async Task Closing_a_channel_fails_its_reader()
    {
        await using var server = await SshServer.StartAsync();
        await using var transport = server.SshNetTransport();
        var channel = await transport.OpenAsync(ChannelUse.Build, Cancellation);
        var reading = channel.Stream.ReadAsync(1);

        await channel.DisposeAsync();

        await Assert.ThrowsAsync<ObjectDisposedException>(() => reading);
    }

    [Theory]
    [InlineData("exec cat", false)]
    [InlineData("yes", false)] // mid-flood, held back by a reader that is not there
    [InlineData("exec sleep 1000", false)] // deaf to the end of its input
    [InlineData("exec cat", true)] // behind a server that says nothing any more
    public async Task Disposing_the_transport_leaves_nothing_behind(string command, bool isStopped)
    {
        await using var server = await SshServer.StartAsync();
        await TestStreams.UntilAsync(() => OwnThreads.Count == 0, "earlier tests end");
        var sockets = Sockets();
        // Nothing runs before all channels are open: a flood that nobody reads holds up what else goes over its connection.
        var gate = Path.Combine(Path.GetTempPath(), $"nixbuildfarm-gate-{Guid.NewGuid():N}");
        var transport = server.SshNetTransport($"until [ -e {gate} ]; do sleep 0.05; done; {command}");
        foreach (var use in new[] { ChannelUse.Build, ChannelUse.Build, ChannelUse.Bulk })
        {
            _ = await transport.OpenAsync(use, Cancellation);
        }
        await File.WriteAllTextAsync(gate, "", Cancellation);
        await Task.Delay(200, Cancellation);
        File.Delete(gate);
        if (isStopped) server.Signal("STOP");

        await transport.DisposeAsync().AsTask().WaitAsync(TestStreams.Hang, Cancellation); // far less than the commands take

        Assert.Equal(sockets, Sockets());
        await TestStreams.UntilAsync(() => OwnThreads.Count == 0, "all threads end");
        await Assert.ThrowsAsync<ObjectDisposedException>(() => transport.OpenAsync(ChannelUse.Build, Cancellation));
    }

    private static NixBuilder WithProgram(NixBuilder builder, string program) => new()
    {
        Name = builder.Name,
        HostName = builder.HostName,
        Uri = builder.Uri,
        User = builder.User,
        Port = builder.Port,
        Systems = builder.Systems,
        HostKey = builder.HostKey,
        RemoteProgram = [program],
        Source = builder.Source,
    };

    private static int Logins(SshServer server) => server.Log.Split('\n').Count(l => l.Contains("Accepted publickey"));

    private static int Sockets() => Directory.EnumerateFiles("/proc/self/fd")
        .Count(f => new FileInfo(f).LinkTarget?.StartsWith("socket:", StringComparison.Ordinal) == true);

    private static long Memory()
    {
        using var self = Process.GetCurrentProcess();
        return self.WorkingSet64;
    }

    private static async Task EchoAsync(IReadOnlyCollection<IBuilderChannel> channels)
    {
        foreach (var channel in channels)
        {
            await channel.Stream.WriteTextAsync("ping");
            Assert.Equal("ping", await channel.Stream.ReadAsync(4));
        }
    }

    private static async Task CloseAsync(IReadOnlyCollection<IBuilderChannel> channels) =>
        await Task.WhenAll(channels.Select(c => c.DisposeAsync().AsTask()));

    // Reads to the end, checks that every line is the one that “yes” has written, and watches the memory.
    private static async Task<(long Read, long HighestMemory)> CountAsync(Stream stream)
    {
        var line = "0123456789abcde\n"u8.ToArray();
        var expected = Enumerable.Repeat(line, 20_000).SelectMany(l => l).ToArray();
        var buffer = new byte[expected.Length - Line];
        long read = 0, highest = 0, nextLook = 0;
        while (await stream.ReadAsync(buffer, Cancellation).AsTask().WaitAsync(TestStreams.Hang, Cancellation) is > 0 and var count)
        {
            var phase = (int)(read % Line);
            Assert.True(buffer.AsSpan(0, count).SequenceEqual(expected.AsSpan(phase, count)), $"wrong bytes after {read}");
            read += count;
            if (read < nextLook) continue;
            nextLook = read + 100_000_000;
            highest = Math.Max(highest, Memory());
        }
        return (read, highest);
    }
}
