using NixBuildFarm.Errors;
using NixBuildFarm.Transport;
using static NixBuildFarm.Ssh.Tests.Connection.Channels;

namespace NixBuildFarm.Ssh.Tests.Connection;

/// <summary>A server that dies or falls silent breaks its channels; one that has nothing to say does not.</summary>
public class LostServerTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

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
        var error = await Assert.ThrowsAsync<BuilderException>(() => writing.WaitAsync(Until.Limit, Cancellation));
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
}
