using System.Net;
using System.Net.Sockets;
using NixBuildFarm.Builders;
using NixBuildFarm.Errors;
using NixBuildFarm.Ssh.Tests.Identities;
using NixBuildFarm.Transport;
using static NixBuildFarm.Ssh.Tests.Connection.Logins;

namespace NixBuildFarm.Ssh.Tests.Connection;

/// <summary>Whom we let be a builder, as whom we log in, and what a person is told when it cannot be done.</summary>
public class LoginTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_server_with_the_builders_own_host_key_is_let_in()
    {
        await using var server = await SshServer.StartAsync();

        await AssertWorksAsync(server, server.Builder(hostKey: server.HostKeyLine));
    }

    [Fact]
    public async Task A_server_in_known_hosts_is_let_in_under_its_port()
    {
        await using var server = await SshServer.StartAsync();
        server.MakeKnown();

        await AssertWorksAsync(server, server.Builder());
    }

    [Fact]
    public async Task A_hashed_known_hosts_does_as_well()
    {
        await using var server = await SshServer.StartAsync();
        server.MakeKnown();
        SshServer.Run("ssh-keygen", "-q", "-H", "-f", server.KnownHosts);

        await AssertWorksAsync(server, server.Builder());
    }

    [Fact]
    public async Task An_alias_of_ssh_config_is_followed()
    {
        await using var server = await SshServer.StartAsync();
        server.MakeKnown($"gem {server.HostKeyLine}");
        server.Configure("Host ruby", "  HostName 127.0.0.1", $"  Port {server.Port}", "  User root", "  HostKeyAlias gem");
        var builder = new NixBuilder
        {
            Name = "ruby",
            HostName = "ruby",
            Uri = "ssh-ng://ruby",
            Systems = ["x86_64-linux"],
            RemoteProgram = ["sh", "-c", "exec cat"],
            Source = "test",
        };

        await AssertWorksAsync(server, builder);
    }

    [Fact]
    public async Task An_unknown_host_key_is_refused_and_no_key_is_shown_to_the_server()
    {
        await using var server = await SshServer.StartAsync("LogLevel DEBUG1");

        var error = await AssertFailsAsync(server, server.Builder());

        Assert.Equal(BuilderFailure.HostKeyMismatch, error.Failure);
        Assert.Contains(FingerprintOf(server.HostKey), error.Message);
        Assert.Contains("ssh-keyscan -p " + server.Port, error.Recommendation);
        Assert.DoesNotContain("userauth-request", server.Log);
    }

    [Fact]
    public async Task A_changed_host_key_is_refused_with_both_fingerprints_and_the_line()
    {
        await using var server = await SshServer.StartAsync();
        server.MakeKnown();
        var old = server.HostKey;
        await server.RestartAsync(server.NewKey("new_host_key"));

        var error = await AssertFailsAsync(server, server.Builder());

        Assert.Equal(BuilderFailure.HostKeyMismatch, error.Failure);
        Assert.Contains(FingerprintOf(old), error.Message);
        Assert.Contains(FingerprintOf(server.HostKey), error.Message);
        Assert.Contains(server.KnownHosts + ":1", error.Message);
        Assert.Contains($"ssh-keygen -R '[127.0.0.1]:{server.Port}'", error.Recommendation);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_revoked_host_key_is_refused_although_known_hosts_or_the_builder_has_it(bool isBuildersOwn)
    {
        await using var server = await SshServer.StartAsync();
        server.MakeKnown();
        server.MakeKnown($"@revoked * {server.HostKeyLine}");

        var error = await AssertFailsAsync(server, server.Builder(hostKey: isBuildersOwn ? server.HostKeyLine : null));

        Assert.Equal(BuilderFailure.HostKeyMismatch, error.Failure);
        Assert.Contains("revoked", error.Message);
    }

    [Fact]
    public async Task Another_key_than_the_builders_own_is_refused_although_known_hosts_has_it()
    {
        await using var server = await SshServer.StartAsync();
        server.MakeKnown();

        var error = await AssertFailsAsync(server, server.Builder(hostKey: SshServer.PublicKey(server.NewKey("another"))));

        Assert.Equal(BuilderFailure.HostKeyMismatch, error.Failure);
    }

    [Theory]
    [InlineData("rsa")]
    [InlineData("ecdsa")]
    public async Task A_server_with_several_keys_is_asked_for_the_known_one(string type)
    {
        await using var server = await SshServer.StartAsync();
        var second = server.NewKey("second", "-t", type, "-N", "");
        await server.RestartAsync($"{server.HostKey}\nHostKey {second}");
        server.MakeKnown($"[127.0.0.1]:{server.Port} {SshServer.PublicKey(second)}");

        await AssertWorksAsync(server, server.Builder());
    }

    [Fact]
    public async Task A_host_certificate_of_a_known_authority_is_let_in()
    {
        await using var server = await SshServer.StartAsync();
        var authority = server.NewKey("authority");
        SshServer.Run("ssh-keygen", "-q", "-s", authority, "-I", "ruby", "-h", "-n", "127.0.0.1", server.HostKey + ".pub");
        await server.RestartAsync($"{server.HostKey}\nHostCertificate {server.HostKey}-cert.pub");
        server.MakeKnown($"@cert-authority [127.0.0.1]:{server.Port} {SshServer.PublicKey(authority)}");

        await AssertWorksAsync(server, server.Builder());
    }

    [Theory]
    [InlineData("kana", "-V+1d")]
    [InlineData("127.0.0.*", "-V+1d")]
    [InlineData("127.0.0.1", "-V19990101:19991231")]
    public async Task A_host_certificate_for_another_host_or_time_is_refused(string principal, string validity)
    {
        await using var server = await SshServer.StartAsync();
        var authority = server.NewKey("authority");
        SshServer.Run("ssh-keygen", "-q", "-s", authority, "-I", "ruby", "-h", "-n", principal, validity, server.HostKey + ".pub");
        await server.RestartAsync($"{server.HostKey}\nHostCertificate {server.HostKey}-cert.pub");
        server.MakeKnown($"@cert-authority * {SshServer.PublicKey(authority)}");

        Assert.Equal(BuilderFailure.HostKeyMismatch, (await AssertFailsAsync(server, server.Builder())).Failure);
    }

    [Theory]
    [InlineData("-t", "ed25519")]
    [InlineData("-t", "rsa", "-b", "3072")]
    [InlineData("-t", "ecdsa", "-b", "521")]
    [InlineData("-t", "rsa", "-m", "PEM")]
    public async Task The_builders_own_key_logs_in_whatever_its_type(params string[] type)
    {
        await using var server = await SshServer.StartAsync();
        var key = server.NewKey("own", [.. type, "-N", ""]);
        server.Authorize(key);

        await AssertWorksAsync(server, server.Builder(hostKey: server.HostKeyLine, identityFile: key));
    }

    [Fact]
    public async Task A_key_that_the_server_does_not_take_is_named()
    {
        await using var server = await SshServer.StartAsync();
        var stranger = server.NewKey("stranger");
        server.AuthorizeOnly(); // not the key of ssh_config either, which has its turn too

        var error = await AssertFailsAsync(server, server.Builder(hostKey: server.HostKeyLine, identityFile: stranger));

        Assert.Equal(BuilderFailure.AuthenticationFailed, error.Failure);
        Assert.Contains(stranger, error.Message);
        Assert.Contains("root", error.Message);
        Assert.Contains("authorized_keys", error.Recommendation);
    }

    [Fact]
    public async Task A_server_that_loses_patience_with_our_keys_has_refused_them()
    {
        await using var server = await SshServer.StartAsync("MaxAuthTries 1");
        var strangers = Enumerable.Range(0, 3).Select(i => server.NewKey($"stranger{i}")).ToList();
        server.Configure([.. strangers.Select(s => $"IdentityFile {s}")]);

        var error = await AssertFailsAsync(server, server.Builder(hostKey: server.HostKeyLine));

        Assert.Equal(BuilderFailure.AuthenticationFailed, error.Failure);
    }

    [Fact]
    public async Task Keys_of_ssh_config_that_do_not_exist_are_passed_over()
    {
        await using var server = await SshServer.StartAsync();
        server.Configure("IdentityFile /nowhere/id");

        await AssertWorksAsync(server, server.Builder(hostKey: server.HostKeyLine));
    }

    [Theory]
    [InlineData("ed25519")]
    [InlineData("rsa")]
    [InlineData("ecdsa")]
    public async Task A_key_in_the_agent_logs_in(string type)
    {
        await using var server = await SshServer.StartAsync();
        await using var agent = await KeyAgent.StartAsync(server);
        var key = server.NewKey("held", "-t", type, "-N", "");
        agent.Add(key);
        server.Authorize(key);
        File.Delete(key);
        File.Delete(server.Key);

        await AssertWorksAsync(server, server.Builder(hostKey: server.HostKeyLine));
    }

    [Fact]
    public async Task A_key_that_is_locked_in_its_file_may_be_unlocked_in_the_agent()
    {
        await using var server = await SshServer.StartAsync();
        await using var agent = await KeyAgent.StartAsync(server);
        var key = server.NewKey("held");
        agent.Add(key);
        SshServer.Run("ssh-keygen", "-q", "-p", "-N", "correct horse", "-f", key);
        server.Authorize(key);

        await AssertWorksAsync(server, server.Builder(hostKey: server.HostKeyLine, identityFile: key));
    }

    [Fact]
    public async Task With_IdentitiesOnly_the_agents_other_keys_stay_unsaid()
    {
        await using var server = await SshServer.StartAsync();
        await using var agent = await KeyAgent.StartAsync(server, "IdentitiesOnly yes");
        var key = server.NewKey("held");
        agent.Add(key);
        server.AuthorizeOnly(key);

        var stranger = server.NewKey("stranger");
        var error = await AssertFailsAsync(server, server.Builder(hostKey: server.HostKeyLine, identityFile: stranger));

        Assert.Equal(BuilderFailure.AuthenticationFailed, error.Failure);
    }

    [Fact]
    public async Task An_agent_that_has_gone_is_no_reason_to_fail()
    {
        await using var server = await SshServer.StartAsync();
        server.Configure($"IdentityAgent {server.Folder}/nobody");

        await AssertWorksAsync(server, server.Builder(hostKey: server.HostKeyLine));
    }

    [Fact]
    public async Task A_key_in_a_FIDO_token_is_left_to_the_ssh_program()
    {
        await using var server = await SshServer.StartAsync();
        File.WriteAllText(server.Key, OpenSshKeyHeaderTests.TokenKey());
        var said = new List<string>();

        await AssertFailsAsync(server, server.Builder(hostKey: server.HostKeyLine), new TransportOptions { Verbose = said.Add });

        Assert.Contains(said, text => text.Contains("uses the ssh program") && text.Contains(server.Key));
    }

    [Fact]
    public async Task Without_any_key_the_error_says_so()
    {
        await using var server = await SshServer.StartAsync();
        File.Delete(server.Key);

        var error = await AssertFailsAsync(server, server.Builder(hostKey: server.HostKeyLine));

        Assert.Equal(BuilderFailure.AuthenticationFailed, error.Failure);
        Assert.Contains("no key to offer", error.Message);
    }

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
        await using var transport = server.Transport(WithoutPort(server), new TransportOptions { ConnectTimeout = TimeSpan.FromMinutes(5) });
        using var cancel = new CancellationTokenSource();

        var opening = transport.OpenAsync(ChannelUse.Build, cancel.Token);
        await impostor.HasSpoken.WaitAsync(TestStreams.Hang, Cancellation);
        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => opening.WaitAsync(TestStreams.Hang, Cancellation));
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
    public async Task A_server_without_a_common_algorithm_is_incompatible_and_says_which()
    {
        await using var server = await SshServer.StartAsync("KexAlgorithms sntrup761x25519-sha512@openssh.com");
        server.Configure("KexAlgorithms curve25519-sha256");

        var error = await AssertFailsAsync(server, server.Builder(hostKey: server.HostKeyLine));

        Assert.Equal(BuilderFailure.Incompatible, error.Failure);
        Assert.Contains("sntrup761x25519-sha512@openssh.com", error.Message);
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

    [Fact]
    public async Task Fast_authenticated_ciphers_are_used_and_ssh_config_may_forbid_them()
    {
        await using var server = await SshServer.StartAsync("LogLevel DEBUG1");
        await AssertWorksAsync(server, server.Builder(hostKey: server.HostKeyLine));
        Assert.Contains("cipher: aes128-gcm@openssh.com", server.Log);

        server.Configure("Ciphers aes256-ctr");
        await AssertWorksAsync(server, server.Builder(hostKey: server.HostKeyLine));
        Assert.Contains("cipher: aes256-ctr", server.Log);
    }

    [Fact]
    public async Task Compression_is_used_where_the_builder_asks_for_it()
    {
        await using var server = await SshServer.StartAsync("LogLevel DEBUG1");
        server.Configure("Compression yes");

        await AssertWorksAsync(server, server.Builder(hostKey: server.HostKeyLine));

        Assert.Contains("compression: zlib@openssh.com", server.Log);
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

    private static string FingerprintOf(string key) => SshServer.Run("ssh-keygen", "-lf", key + ".pub").Split(' ')[1];

    // Accepts connections, says its words and then nothing, or hangs up.
    private sealed class Impostor : IAsyncDisposable
    {
        private readonly TcpListener listener = new(IPAddress.Loopback, 0);
        private readonly TaskCompletionSource spoken = new();
        private readonly List<TcpClient> clients = [];
        private readonly Task serving;

        public Impostor(string words, bool hangUp = false)
        {
            listener.Start();
            serving = ServeAsync(words, hangUp);
        }

        public int Port => ((IPEndPoint)listener.LocalEndpoint).Port;

        public Task HasSpoken => spoken.Task;

        public async ValueTask DisposeAsync()
        {
            listener.Stop();
            await serving;
            clients.ForEach(c => c.Dispose());
        }

        private async Task ServeAsync(string words, bool hangUp)
        {
            try
            {
                while (true)
                {
                    var client = await listener.AcceptTcpClientAsync();
                    clients.Add(client);
                    await client.GetStream().WriteAsync(System.Text.Encoding.ASCII.GetBytes(words));
                    spoken.TrySetResult();
                    if (hangUp) client.Client.Shutdown(SocketShutdown.Send);
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // The test is over.
            }
        }
    }
}
