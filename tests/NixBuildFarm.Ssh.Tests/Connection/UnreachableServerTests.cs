using System.Net;
using System.Net.Sockets;
using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.Transport;
using static NixBuildFarm.Ssh.Tests.Connection.Logins;

namespace NixBuildFarm.Ssh.Tests.Connection;

/// <summary>A server that refuses, is silent, hangs up or is none: given up in time, with the reason.</summary>
public class UnreachableServerTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_refused_connection_says_so()
    {
        await using var server = await SshServer.StartAsync();
        var builder = server.Builder(hostKey: server.HostKeyLine);
        await server.StopAsync();

        var error = await AssertFailsAsync(server, builder);

        Assert.Equal(BuilderFailure.Unreachable, error.Failure);
        Assert.Contains($"127.0.0.1 port {server.Port} refuses the connection", error.Message);
    }

    [Fact]
    public async Task A_name_that_nobody_knows_says_so()
    {
        await using var server = await SshServer.StartAsync();

        var error = await AssertFailsAsync(server, server.Builder(hostName: "no-such-host.invalid"));

        Assert.Equal(BuilderFailure.Unreachable, error.Failure);
        Assert.Contains("no-such-host.invalid", error.Message);
    }

    [Fact]
    public async Task A_server_that_accepts_and_says_nothing_is_given_up_in_time()
    {
        await using var server = await SshServer.StartAsync();
        using var mute = new TcpListener(IPAddress.Loopback, 0);
        mute.Start();
        server.Configure($"Port {((IPEndPoint)mute.LocalEndpoint).Port}");

        var error = await AssertFailsAsync(server, WithoutPort(server), new TransportOptions { ConnectTimeout = TimeSpan.FromSeconds(1) });

        Assert.Equal(BuilderFailure.Unreachable, error.Failure);
        Assert.Contains("more than 1 s", error.Message);
    }

    [Theory]
    [InlineData("SSH-2.0-OpenSSH_9.9\r\n")] // says who it is, then nothing: the key exchange hangs
    [InlineData("Welcome to this machine\r\n")]
    public async Task A_server_that_falls_silent_after_its_first_words_is_given_up_in_time(string words)
    {
        await using var server = await SshServer.StartAsync();
        await using var impostor = new Impostor(words);
        server.Configure($"Port {impostor.Port}");

        var error = await AssertFailsAsync(server, WithoutPort(server), new TransportOptions { ConnectTimeout = TimeSpan.FromSeconds(1) });

        Assert.Equal(BuilderFailure.Unreachable, error.Failure);
    }

    [Fact]
    public async Task A_host_that_swallows_all_packets_is_given_up_in_time()
    {
        await using var server = await SshServer.StartAsync();
        // A full queue of connections that nobody accepts: Linux then drops what arrives, as a blackhole does.
        using var hole = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        hole.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        hole.Listen(0);
        using var first = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await first.ConnectAsync(hole.LocalEndPoint!, Cancellation);
        server.Configure($"Port {((IPEndPoint)hole.LocalEndPoint!).Port}");

        var error = await AssertFailsAsync(server, WithoutPort(server), new TransportOptions { ConnectTimeout = TimeSpan.FromSeconds(1) });

        Assert.Equal(BuilderFailure.Unreachable, error.Failure);
        Assert.Contains("does not answer", error.Message);
    }

    [Theory]
    [InlineData("")] // hangs before the greeting
    [InlineData("SSH-2.0-OpenSSH_9.9\r\n")] // hangs in the key exchange
    public async Task Connecting_can_be_cancelled_at_any_point(string words)
    {
        await using var server = await SshServer.StartAsync();
        await using var impostor = new Impostor(words);
        server.Configure($"Port {impostor.Port}");
        await using var transport = server.Transport(
            WithoutPort(server), new TransportOptions { ConnectTimeout = TimeSpan.FromMinutes(5) });
        using var cancel = new CancellationTokenSource();

        var opening = transport.OpenAsync(ChannelUse.Build, cancel.Token);
        await impostor.HasSpoken.WaitAsync(Until.Limit, Cancellation);
        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => opening.WaitAsync(Until.Limit, Cancellation));
    }

    [Fact]
    public async Task A_server_that_hangs_up_in_the_key_exchange_is_a_lost_connection()
    {
        await using var server = await SshServer.StartAsync();
        await using var impostor = new Impostor("SSH-2.0-OpenSSH_9.9\r\n", hangUp: true);
        server.Configure($"Port {impostor.Port}");

        Assert.Equal(BuilderFailure.ConnectionLost, (await AssertFailsAsync(server, WithoutPort(server))).Failure);
    }

    [Fact]
    public async Task A_server_that_always_hangs_up_before_its_greeting_is_given_up()
    {
        await using var server = await SshServer.StartAsync();
        await using var impostor = new Impostor("Not allowed at this time\r\n", hangUp: true);
        server.Configure($"Port {impostor.Port}");

        var error = await AssertFailsAsync(server, WithoutPort(server));

        Assert.Equal(BuilderFailure.Unreachable, error.Failure);
        Assert.Contains("before the SSH greeting", error.Message);
    }

    [Fact]
    public async Task Something_else_than_an_ssh_server_is_recognised()
    {
        await using var server = await SshServer.StartAsync();
        await using var impostor = new Impostor("SSH-1.5-ancient\r\n");
        server.Configure($"Port {impostor.Port}");

        Assert.Equal(BuilderFailure.Incompatible, (await AssertFailsAsync(server, WithoutPort(server))).Failure);
    }

    [Fact]
    public async Task A_server_that_drops_connections_while_many_log_in_is_asked_again()
    {
        await using var server = await SshServer.StartAsync("MaxStartups 1");
        using var waiting = new TcpClient();
        await waiting.ConnectAsync(IPAddress.Loopback, server.Port, Cancellation); // takes the only place
        _ = await waiting.GetStream().ReadAsync(new byte[1], Cancellation);
        var said = new List<string>();
        await using var transport = server.Transport(
            server.Builder(hostKey: server.HostKeyLine),
            new TransportOptions
            {
                Verbose = text =>
                {
                    lock (said) said.Add(text);
                    if (text.Contains("trying again")) waiting.Close();
                },
            });

        await using var channel = await transport.OpenAsync(ChannelUse.Build, Cancellation);

        Assert.Contains(said, text => text.Contains("trying again"));
    }

    private static NixBuilder WithoutPort(SshServer server) => new()
    {
        Name = "ruby",
        HostName = "127.0.0.1",
        Uri = "ssh-ng://127.0.0.1",
        User = "root",
        Systems = ["x86_64-linux"],
        HostKey = server.HostKeyLine,
        Source = "test",
    };
}
