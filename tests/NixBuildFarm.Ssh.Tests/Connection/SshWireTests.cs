using System.Net;
using System.Net.Sockets;
using NixBuildFarm.Ssh.Connection;
using NixBuildFarm.Transport;

namespace NixBuildFarm.Ssh.Tests.Connection;

/// <summary>Between SSH.NET and a server nobody else can stand.</summary>
public class SshWireTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Bytes_pass_in_both_directions_and_the_end_of_one_side_ends_the_other()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        await using var wire = await ConnectAsync(listener);
        using var server = await listener.AcceptSocketAsync(Cancellation);

        Assert.Equal(3, await wire.LocalEnd.SendAsync("abc"u8.ToArray(), Cancellation));
        Assert.Equal("abc"u8.ToArray(), await ReceiveAsync(server, 3));
        Assert.Equal(2, await server.SendAsync("de"u8.ToArray(), Cancellation));
        Assert.Equal("de"u8.ToArray(), await ReceiveAsync(wire.LocalEnd, 2));

        server.Close();
        Assert.Empty(await ReceiveAsync(wire.LocalEnd, 1));
        wire.LocalEnd.Dispose();
    }

    [Fact]
    public async Task The_end_that_SSH_NET_gets_has_no_address_and_listens_to_nobody()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        await using var wire = await ConnectAsync(listener);

        Assert.True(wire.LocalEnd.Connected);
        Assert.Equal(AddressFamily.Unix, wire.LocalEnd.AddressFamily);
        Assert.Equal("", $"{wire.LocalEnd.LocalEndPoint}{wire.LocalEnd.RemoteEndPoint}");
        wire.LocalEnd.Dispose();
    }

    [Fact]
    public async Task A_login_opens_no_port_and_no_named_socket()
    {
        await using var server = await SshServer.StartAsync();
        // The server accepts and greets nobody: the login stands still in its middle.
        server.Pause();
        var before = OwnListeners();
        using var cancel = new CancellationTokenSource();
        var connected = new TaskCompletionSource();
        await using var transport = server.Transport(
            server.Builder(hostKey: server.HostKeyLine),
            new TransportOptions { Verbose = text => { if (text.Contains("connected to")) connected.TrySetResult(); } });

        var opening = transport.OpenAsync(ChannelUse.Build, cancel.Token);
        await connected.Task.WaitAsync(Until.Limit, Cancellation);

        Assert.Equal(before, OwnListeners());
        server.Continue();
        await (await opening.WaitAsync(Until.Limit, Cancellation)).DisposeAsync();
        Assert.Equal(before, OwnListeners());
    }

    [Fact]
    public void A_pair_is_not_inherited_by_programs_that_we_start()
    {
        var (one, other) = SocketPair.Create();
        using (one)
        using (other)
        {
            var inherited = SshServer.Run("sh", "-c", "ls -l /proc/self/fd");
            foreach (var end in new[] { one, other })
            {
                Assert.DoesNotContain(new FileInfo($"/proc/self/fd/{end.Handle}").LinkTarget!, inherited);
            }
        }
    }

    private static Task<SshWire> ConnectAsync(TcpListener listener) => SshWire.ConnectAsync(
        "127.0.0.1", ((IPEndPoint)listener.LocalEndpoint).Port, AddressFamily.Unspecified, Until.Limit, Cancellation);

    private static async Task<byte[]> ReceiveAsync(Socket socket, int count)
    {
        var buffer = new byte[count];
        var received = 0;
        while (received < count
            && await socket.ReceiveAsync(buffer.AsMemory(received), Cancellation).AsTask().WaitAsync(Until.Limit, Cancellation) is > 0
            and var next)
        {
            received += next;
        }
        return buffer[..received];
    }

    // The inodes of our sockets that others could connect to: those that listen, by TCP or by name.
    private static string OwnListeners()
    {
        var own = new HashSet<string>();
        foreach (var file in Directory.EnumerateFiles("/proc/self/fd"))
        {
            if (new FileInfo(file).LinkTarget is { } target && target.StartsWith("socket:[", StringComparison.Ordinal))
            {
                own.Add(target[8..^1]);
            }
        }
        string[] tables = ["/proc/net/tcp", "/proc/net/tcp6"];
        var tcp = tables.SelectMany(File.ReadAllLines).Select(Words).Where(w => w.Length > 9 && w[3] == "0A").Select(w => w[9]);
        var named = File.ReadAllLines("/proc/net/unix").Select(Words).Where(w => w.Length > 7 && w[3] == "00010000").Select(w => w[6]);
        return string.Join(' ', tcp.Concat(named).Where(own.Contains).Order());
    }

    private static string[] Words(string line) => line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
}
