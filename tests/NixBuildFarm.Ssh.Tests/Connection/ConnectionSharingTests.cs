using NixBuildFarm.Errors;
using NixBuildFarm.Transport;
using static NixBuildFarm.Ssh.Tests.Connection.Channels;

namespace NixBuildFarm.Ssh.Tests.Connection;

/// <summary>Channels share connections as far as the server allows, and leave nothing behind.</summary>
public class ConnectionSharingTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

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
        await Until.TrueAsync(() => OwnThreads.Count == connections, "only SSH.NET's own thread of each connection stays");
        // Those that the logins needed end soon; those that waited for channels would stay.
        await Until.TrueAsync(() => ThreadPool.ThreadCount <= Environment.ProcessorCount + 12, "no channel holds a thread of the pool");

        await Task.WhenAll(channels.Select(c => c.Stream.WriteTextAsync("ping")));
        Assert.All(await Task.WhenAll(reads), text => Assert.Equal("ping", text));
        await CloseAsync(channels);
    }

    [Theory]
    [InlineData("exec cat", false)]
    [InlineData("yes", false)] // mid-flood, held back by a reader that is not there
    [InlineData(Deaf, false)]
    [InlineData("exec cat", true)] // behind a server that says nothing any more
    public async Task Disposing_the_transport_leaves_nothing_behind(string command, bool isStopped)
    {
        await using var server = await SshServer.StartAsync();
        await Until.TrueAsync(() => OwnThreads.Count == 0, "earlier tests end");
        var sockets = Sockets();
        // Nothing runs before all channels are open: a flood that nobody reads holds up what else goes over its connection.
        var gate = Path.Combine(server.Folder, "gate");
        var transport = server.SshNetTransport($"until [ -e {gate} ] || [ ! -d {server.Folder} ]; do sleep 0.05; done; {command}");
        foreach (var use in new[] { ChannelUse.Build, ChannelUse.Build, ChannelUse.Bulk })
        {
            _ = await transport.OpenAsync(use, Cancellation);
        }
        await File.WriteAllTextAsync(gate, "", Cancellation);
        await Task.Delay(200, Cancellation);
        if (isStopped) server.Signal("STOP");

        await transport.DisposeAsync().AsTask().WaitAsync(Until.Limit, Cancellation); // far less than the commands take

        Assert.Equal(sockets, Sockets());
        await Until.TrueAsync(() => OwnThreads.Count == 0, "all threads end");
        await Assert.ThrowsAsync<ObjectDisposedException>(() => transport.OpenAsync(ChannelUse.Build, Cancellation));
    }

    private static int Logins(SshServer server) => server.Log.Split('\n').Count(l => l.Contains("Accepted publickey"));

    private static int Sockets() => Directory.EnumerateFiles("/proc/self/fd")
        .Count(f => new FileInfo(f).LinkTarget?.StartsWith("socket:", StringComparison.Ordinal) == true);
}
