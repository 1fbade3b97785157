using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Ssh.Tests.Connection;

/// <summary>A channel is its program: the bytes and last words, the end of either, and what is called off.</summary>
public class ChannelTests
{
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
    public async Task Cancelling_a_read_ends_it_and_loses_nothing()
    {
        await using var server = await SshServer.StartAsync();
        await using var transport = server.SshNetTransport();
        await using var channel = await transport.OpenAsync(ChannelUse.Build, Cancellation);
        using var cancel = new CancellationTokenSource();
        var reading = channel.Stream.ReadAsync(new byte[10], cancel.Token).AsTask();

        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => reading.WaitAsync(Until.Limit, Cancellation));
        await channel.Stream.WriteTextAsync("still here");
        Assert.Equal("still here", await channel.Stream.ReadAsync(10));
    }

    [Fact]
    public async Task Cancelling_a_write_that_nobody_reads_ends_it()
    {
        await using var server = await SshServer.StartAsync();
        await using var transport = server.SshNetTransport(Channels.Deaf);
        await using var channel = await transport.OpenAsync(ChannelUse.Bulk, Cancellation);
        using var cancel = new CancellationTokenSource();
        var writing = channel.Stream.WriteAsync(new byte[50_000_000], cancel.Token).AsTask();
        await Task.Delay(300, Cancellation);
        Assert.False(writing.IsCompleted);

        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => writing.WaitAsync(Until.Limit, Cancellation));
    }

    [Fact]
    public async Task A_program_that_ends_while_we_write_says_so()
    {
        await using var server = await SshServer.StartAsync();
        await using var transport = server.SshNetTransport("sleep 0.3; exit 3");
        await using var channel = await transport.OpenAsync(ChannelUse.Bulk, Cancellation);

        var error = await Assert.ThrowsAsync<BuilderException>(
            () => channel.Stream.WriteAsync(new byte[50_000_000], Cancellation).AsTask().WaitAsync(Until.Limit, Cancellation));

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

        await Until.TrueAsync(() => !Directory.Exists("/proc/" + pid), "the program ends");
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
}
