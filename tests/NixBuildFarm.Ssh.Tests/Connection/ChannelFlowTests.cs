using System.Globalization;
using NixBuildFarm.Errors;
using NixBuildFarm.Transport;
using static NixBuildFarm.Ssh.Tests.Connection.Channels;

namespace NixBuildFarm.Ssh.Tests.Connection;

/// <summary>Floods, slow readers and both directions at once: no byte is lost, and none takes memory.</summary>
public class ChannelFlowTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Reading_and_writing_go_on_at_the_same_time()
    {
        await using var server = await SshServer.StartAsync();
        await using var transport = server.SshNetTransport();
        await using var channel = await transport.OpenAsync(ChannelUse.Bulk, Cancellation);

        await EchoMuchAsync(channel, 20_000_000);
    }

    [Fact]
    public async Task A_slow_reader_of_more_than_2_GiB_gets_every_byte_and_costs_little_memory()
    {
        const long size = 2_200_000_000 / Line * Line;
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
        const long size = 60_000_000 / Line * Line;
        await using var server = await SshServer.StartAsync("RekeyLimit 6M", "LogLevel DEBUG1");
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
        await using var transport =
            server.SshNetTransport($"read what; case $what in flood) yes 0123456789abcde | head -c {size};; *) exec cat;; esac");
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
        var pid = Path.Combine(server.Folder, "pid");
        await using var transport =
            server.SshNetTransport($"read what; case $what in flood) echo $$ > {pid}; exec yes;; *) exec cat;; esac", Impatient);
        await using var flood = await transport.OpenAsync(ChannelUse.Build, Cancellation);
        await using var other = await transport.OpenAsync(ChannelUse.Build, Cancellation);
        await flood.Stream.WriteTextAsync("flood\n");
        await Until.TrueAsync(() => File.Exists(pid) && File.ReadAllText(pid).EndsWith('\n'), "the flood begins");
        var process = int.Parse(File.ReadAllText(pid), CultureInfo.InvariantCulture);
        // It is given up: all buffers on the way to a reader that does not read hold less.
        await Until.TrueAsync(() => Written(process) > 64_000_000, "nobody waits for the reader any more");

        await other.Stream.WriteTextAsync("echo\nping");

        Assert.Equal("ping", await other.Stream.ReadAsync(4));
        var error = await Assert.ThrowsAsync<BuilderException>(() => CountAsync(flood.Stream));
        Assert.Contains("nothing was read", error.Message);
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

    /// <summary>How many bytes a program has written.</summary>
    private static long Written(int process) => long.Parse(
        File.ReadLines($"/proc/{process}/io").Single(line => line.StartsWith("wchar: ", StringComparison.Ordinal))["wchar: ".Length..],
        CultureInfo.InvariantCulture);
}
