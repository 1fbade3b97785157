using System.Security;
using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.Ssh.Connection;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Ssh.Tests.Connection;

/// <summary>
/// Whoever comes back to a builder soon goes on with the connection that was left, if it still is what a new one would be.
/// </summary>
public sealed class KeptConnectionTests : IDisposable
{
    private readonly IdleConnections kept = new(TimeSpan.FromHours(1), TimeProvider.System);
    private bool isComplete = true;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => kept.Close();

    [Fact]
    public async Task The_next_one_does_not_log_in_again()
    {
        await using var server = await SshServer.StartAsync();
        await UseAsync(server, server.Builder(hostKey: server.HostKeyLine));

        await UseAsync(server, server.Builder(hostKey: server.HostKeyLine));

        Assert.Equal(1, Logins(server));
    }

    [Fact]
    public async Task Two_at_a_time_do_not_share_what_is_kept()
    {
        await using var server = await SshServer.StartAsync();
        await UseAsync(server, server.Builder(hostKey: server.HostKeyLine));
        await using var first = Transport(server, server.Builder(hostKey: server.HostKeyLine));
        await using var second = Transport(server, server.Builder(hostKey: server.HostKeyLine));

        await UseAsync(first);
        await UseAsync(second);

        Assert.Equal(2, Logins(server));
    }

    [Fact]
    public async Task Closing_what_is_kept_leaves_nothing_on_the_server()
    {
        await using var server = await SshServer.StartAsync();
        await UseAsync(server, server.Builder(hostKey: server.HostKeyLine));
        Assert.NotEmpty(server.Descendants());

        kept.Close();

        await Until.TrueAsync(() => server.Descendants().Count == 0, "the server's processes end");
    }

    [Fact]
    public async Task Nor_does_what_is_left_after_that()
    {
        await using var server = await SshServer.StartAsync();
        await using (var transport = Transport(server, server.Builder(hostKey: server.HostKeyLine)))
        {
            await UseAsync(transport);
            kept.Close();
        }

        await Until.TrueAsync(() => server.Descendants().Count == 0, "the server's processes end");
    }

    [Fact]
    public async Task A_program_may_take_a_while_to_end()
    {
        await using var server = await SshServer.StartAsync();

        await UseAsync(server, server.Builder("cat; sleep 0.7", server.HostKeyLine));
        await UseAsync(server, server.Builder(hostKey: server.HostKeyLine));

        Assert.Equal(1, Logins(server));
    }

    [Fact]
    public async Task One_that_takes_longer_holds_nobody_up_and_its_connection_is_kept_when_it_has_ended()
    {
        await using var server = await SshServer.StartAsync();
        await UseUntilAsync(server, () => Task.CompletedTask);

        // Who uses a connection in a run that is stopped leaves none behind: where nobody logs in, it is the first one's.
        isComplete = false;
        await Until.TrueAsync(
            async () =>
            {
                var before = Logins(server);
                await UseAsync(server, server.Builder(hostKey: server.HostKeyLine));
                return Logins(server) == before;
            },
            "the connection is used again");
    }

    [Fact]
    public async Task Closing_what_is_kept_does_not_wait_for_such_a_program()
    {
        await using var server = await SshServer.StartAsync();

        await UseUntilAsync(server, async () =>
        {
            Assert.NotEmpty(server.Descendants());
            kept.Close();
            await Until.TrueAsync(() => server.Descendants().Count == 0, "the server's processes end");
        });
    }

    [Fact]
    public async Task A_kept_connection_that_nobody_takes_is_closed_after_a_while()
    {
        await using var server = await SshServer.StartAsync();
        var brief = new IdleConnections(TimeSpan.FromMilliseconds(1), TimeProvider.System);

        await UseAsync(server, server.Builder(hostKey: server.HostKeyLine), brief);

        await Until.TrueAsync(() => server.Descendants().Count == 0, "the server's processes end");
    }

    [Fact]
    public async Task A_host_key_that_is_not_known_any_more_is_refused()
    {
        await using var server = await SshServer.StartAsync();
        server.MakeKnown();
        await UseAsync(server, server.Builder());
        await File.WriteAllTextAsync(server.KnownHosts, "", Cancellation);

        var error = await Assert.ThrowsAsync<BuilderException>(() => UseAsync(server, server.Builder()));

        Assert.Equal(BuilderFailure.HostKeyMismatch, error.Failure);
        await Until.TrueAsync(() => server.Descendants().Count == 0, "the server's processes end");
    }

    [Fact]
    public async Task Another_key_file_logs_in_by_itself()
    {
        await using var server = await SshServer.StartAsync();
        var other = server.NewKey("id_other");
        server.Authorize(other);
        await UseAsync(server, server.Builder(hostKey: server.HostKeyLine));

        await UseAsync(server, server.Builder(hostKey: server.HostKeyLine, identityFile: other));

        Assert.Equal(2, Logins(server));
    }

    [Fact]
    public async Task So_does_another_ssh_config()
    {
        await using var server = await SshServer.StartAsync();
        await UseAsync(server, server.Builder(hostKey: server.HostKeyLine));
        server.Configure("Host *", "  Ciphers aes256-ctr");

        await UseAsync(server, server.Builder(hostKey: server.HostKeyLine));

        Assert.Equal(2, Logins(server));
    }

    [Fact]
    public async Task Nothing_is_kept_for_those_who_give_a_passphrase()
    {
        await using var server = await SshServer.StartAsync();
        var options = new TransportOptions { IsComplete = () => true, KeyPassphrase = new SecureString() };

        await using (
            var transport = new SshTransport(
                server.Builder(hostKey: server.HostKeyLine), options, server.Environment, kept)) await UseAsync(transport);

        await Until.TrueAsync(() => server.Descendants().Count == 0, "the server's processes end");
    }

    [Fact]
    public async Task Nothing_is_kept_of_what_was_stopped()
    {
        await using var server = await SshServer.StartAsync();
        isComplete = false;

        await UseAsync(server, server.Builder(hostKey: server.HostKeyLine));

        await Until.TrueAsync(() => server.Descendants().Count == 0, "the server's processes end");
    }

    [Fact]
    public async Task A_connection_that_broke_meanwhile_is_replaced()
    {
        await using var server = await SshServer.StartAsync();
        await UseAsync(server, server.Builder(hostKey: server.HostKeyLine));
        server.Signal("KILL");

        await UseAsync(server, server.Builder(hostKey: server.HostKeyLine));

        Assert.Equal(2, Logins(server));
    }

    [Fact]
    public async Task So_is_one_whose_server_is_silent()
    {
        await using var server = await SshServer.StartAsync();
        await UseAsync(server, server.Builder(hostKey: server.HostKeyLine));
        server.Signal("STOP");

        await UseAsync(server, server.Builder(hostKey: server.HostKeyLine));

        Assert.Equal(2, Logins(server));
    }

    [Fact]
    public async Task A_program_that_does_not_end_is_not_kept()
    {
        await using var server = await SshServer.StartAsync();
        // The program outlives its connection, but not the test.
        var life = Path.GetTempFileName();
        try
        {
            var builder = server.Builder($"trap '' HUP PIPE; while test -e {life}; do sleep 1; done", server.HostKeyLine);
            await using (var transport = Transport(server, builder)) await (await transport.OpenAsync(ChannelUse.Build, Cancellation))
                .DisposeAsync();

            await UseAsync(server, server.Builder(hostKey: server.HostKeyLine));

            Assert.Equal(2, Logins(server));
        }
        finally
        {
            File.Delete(life);
        }
    }

    /// <summary>Uses a connection, whose program does not end before something else has been done.</summary>
    private async Task UseUntilAsync(SshServer server, Func<Task> doAsync)
    {
        var life = Path.GetTempFileName();
        try
        {
            await UseAsync(server, server.Builder($"cat; while test -e {life}; do sleep 0.1; done", server.HostKeyLine));
            await doAsync();
        }
        finally
        {
            File.Delete(life);
        }
    }

    private static int Logins(SshServer server) => server.Log.Split("Accepted publickey").Length - 1;

    private SshTransport Transport(SshServer server, NixBuilder builder, IdleConnections? where = null) =>
        new(
            builder,
            new TransportOptions { IsComplete = () => isComplete, Verbose = text => TestContext.Current.TestOutputHelper?.WriteLine(text) },
            server.Environment,
            where ?? kept);

    private async Task UseAsync(SshServer server, NixBuilder builder, IdleConnections? where = null)
    {
        await using var transport = Transport(server, builder, where);
        await UseAsync(transport);
    }

    private static async Task UseAsync(SshTransport transport)
    {
        await using var channel = await transport.OpenAsync(ChannelUse.Build, Cancellation).WaitAsync(Until.Limit, Cancellation);
        await channel.Stream.WriteTextAsync("hello");
        Assert.Equal("hello", await channel.Stream.ReadAsync(5));
    }
}
