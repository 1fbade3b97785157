using System.Diagnostics;
using System.Net.Sockets;

namespace NixBuildFarm.Core.Tests.Sharing;

/// <summary>The shim as the broker between the shims of a build and the coordinator.</summary>
public sealed class ShimBrokerTests : IClassFixture<ShimProgram>, IAsyncLifetime
{
    private readonly ShimProgram shim;
    private Process broker = null!;
    private string folder = "";

    public ShimBrokerTests(ShimProgram shim)
    {
        this.shim = shim;
        Assert.SkipWhen(shim.Problem is "gcc is not installed", "gcc is not installed");
        Assert.Null(shim.Problem);
    }

    public async ValueTask InitializeAsync()
    {
        broker = shim.StartTrade("broker", shim.Folder);
        var line = new List<byte>();
        var one = new byte[1];
        while (await broker.StandardOutput.BaseStream.ReadAsync(one, TestContext.Current.CancellationToken) == 1 && one[0] != '\n')
        {
            line.Add(one[0]);
        }
        var words = System.Text.Encoding.ASCII.GetString([.. line]).Split(' ');
        Assert.Equal(["nixbuildfarm-broker", "1"], words[..2]);
        folder = words[2];
    }

    public async ValueTask DisposeAsync()
    {
        if (!broker.HasExited) broker.Kill();
        await broker.WaitForExitAsync(CancellationToken.None);
        broker.Dispose();
        if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public void Its_folder_cannot_be_guessed_or_listed_by_others()
    {
        Assert.Matches("^/run/nixbuildfarm-[0-9]+/[0-9a-f]{32}$", folder[shim.Folder.Length..]);
        const UnixFileMode enterOnly =
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
            | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;
        Assert.Equal(enterOnly, File.GetUnixFileMode(folder));
        Assert.Equal(enterOnly, File.GetUnixFileMode(Path.GetDirectoryName(folder)!));
    }

    [Fact]
    public async Task Frames_go_both_ways_under_the_number_of_their_connection()
    {
        using var first = await ConnectAsync();
        await first.WriteAsync(new ShimFrame(ShimFrame.Hello, [1, 2, 3]).Bytes, TestContext.Current.CancellationToken);
        Assert.Equal((1u, ShimFrame.Hello, "010203"), await RelayedAsync());
        using var second = await ConnectAsync();
        await second.WriteAsync(new ShimFrame(ShimFrame.Hello, []).Bytes, TestContext.Current.CancellationToken);
        Assert.Equal((2u, ShimFrame.Hello, ""), await RelayedAsync());

        await TellAsync(new ShimFrame(ShimFrame.Describe, []).RelayedBytes(2));
        await TellAsync(new ShimFrame(ShimFrame.Local, []).RelayedBytes(1));

        Assert.Equal(ShimFrame.Describe, (await ShimFrame.ReadAsync(second))!.Type);
        Assert.Equal(ShimFrame.Local, (await ShimFrame.ReadAsync(first))!.Type);
    }

    [Fact]
    public async Task The_end_of_a_shim_is_told()
    {
        using (var connection = await ConnectAsync())
        {
            await connection.WriteAsync(new ShimFrame(ShimFrame.Hello, []).Bytes, TestContext.Current.CancellationToken);
            await RelayedAsync();
        }

        Assert.Equal((1u, ShimFrame.Closed, ""), await RelayedAsync());
    }

    [Fact]
    public async Task The_coordinator_can_have_a_shim_dropped()
    {
        using var connection = await ConnectAsync();
        await connection.WriteAsync(new ShimFrame(ShimFrame.Hello, []).Bytes, TestContext.Current.CancellationToken);
        await RelayedAsync();

        await TellAsync(new ShimFrame(ShimFrame.Closed, []).RelayedBytes(1));

        Assert.Null(await ShimFrame.ReadAsync(connection));
        Assert.Equal((1u, ShimFrame.Closed, ""), await RelayedAsync());
    }

    [Fact]
    public async Task A_frame_for_nobody_is_nobodys()
    {
        await TellAsync(new ShimFrame(ShimFrame.Local, [1]).RelayedBytes(99));

        using var connection = await ConnectAsync();
        await connection.WriteAsync(new ShimFrame(ShimFrame.Hello, []).Bytes, TestContext.Current.CancellationToken);
        Assert.Equal((1u, ShimFrame.Hello, ""), await RelayedAsync());
    }

    [Theory]
    [InlineData(ShimFrame.Unit, 64u * 1024 + 1)]
    [InlineData(ShimFrame.Unit, uint.MaxValue)]
    [InlineData(ShimFrame.Closed, 0u)]
    public async Task A_shim_that_breaks_the_rules_is_dropped_and_the_others_are_not(uint type, uint length)
    {
        using var good = await ConnectAsync();
        await good.WriteAsync(new ShimFrame(ShimFrame.Hello, []).Bytes, TestContext.Current.CancellationToken);
        await RelayedAsync();
        using var bad = await ConnectAsync();

        await bad.WriteAsync((byte[])[.. ShimFrame.Number(type), .. ShimFrame.Number(length)], TestContext.Current.CancellationToken);

        Assert.Equal((2u, ShimFrame.Closed, ""), await RelayedAsync());
        Assert.Null(await ShimFrame.ReadAsync(bad));
        await good.WriteAsync(new ShimFrame(ShimFrame.Unit, new byte[64 * 1024]).Bytes, TestContext.Current.CancellationToken);
        Assert.Equal((1u, ShimFrame.Unit), ((await RelayedAsync()) is var (connection, kind, _) ? (connection, kind) : default));
    }

    [Fact]
    public async Task A_shim_that_does_not_read_holds_nobody_up()
    {
        using var slow = await ConnectAsync();
        await slow.WriteAsync(new ShimFrame(ShimFrame.Hello, []).Bytes, TestContext.Current.CancellationToken);
        await RelayedAsync();
        using var quick = await ConnectAsync();
        await quick.WriteAsync(new ShimFrame(ShimFrame.Hello, []).Bytes, TestContext.Current.CancellationToken);
        await RelayedAsync();

        var chunk = new ShimFrame(ShimFrame.Output, new byte[1024 * 1024]).RelayedBytes(1);
        for (var i = 0; i < 50; i++) await TellAsync(chunk);
        await TellAsync(new ShimFrame(ShimFrame.Local, []).RelayedBytes(2));

        Assert.Equal(ShimFrame.Local, (await ShimFrame.ReadAsync(quick))!.Type);
        for (var i = 0; i < 50; i++) Assert.Equal(1024 * 1024, (await ShimFrame.ReadAsync(slow))!.Payload.Length);
    }

    [Fact]
    public async Task A_shim_that_never_reads_is_dropped_when_more_waits_for_it_than_is_kept()
    {
        using var slow = await ConnectAsync();
        await slow.WriteAsync(new ShimFrame(ShimFrame.Hello, []).Bytes, TestContext.Current.CancellationToken);
        await RelayedAsync();

        var chunk = new ShimFrame(ShimFrame.Output, new byte[1024 * 1024]).RelayedBytes(1);
        for (var i = 0; i < 258; i++) await TellAsync(chunk);

        Assert.Equal((1u, ShimFrame.Closed, ""), await RelayedAsync());
    }

    [Fact]
    public async Task Half_a_frame_holds_nobody_up()
    {
        using var half = await ConnectAsync();
        await half.WriteAsync(new ShimFrame(ShimFrame.Hello, new byte[100]).Bytes.AsMemory(0, 50), TestContext.Current.CancellationToken);
        using var whole = await ConnectAsync();
        await whole.WriteAsync(new ShimFrame(ShimFrame.Hello, []).Bytes, TestContext.Current.CancellationToken);

        Assert.Equal((2u, ShimFrame.Hello, ""), await RelayedAsync());
    }

    [Fact]
    public async Task Who_is_one_too_many_is_turned_away()
    {
        var all = new List<NetworkStream>();
        for (var i = 0; i < 256; i++)
        {
            all.Add(await ConnectAsync());
            await all[i].WriteAsync(new ShimFrame(ShimFrame.Hello, []).Bytes, TestContext.Current.CancellationToken);
            await RelayedAsync();
        }

        using var further = await ConnectAsync();

        Assert.Null(await ShimFrame.ReadAsync(further));
        foreach (var connection in all) connection.Dispose();
    }

    [Fact]
    public async Task It_ends_with_its_input_and_takes_its_folder_along()
    {
        using var connection = await ConnectAsync();
        broker.StandardInput.Close();

        await broker.WaitForExitAsync(TestContext.Current.CancellationToken);

        Assert.Equal(0, broker.ExitCode);
        Assert.False(Directory.Exists(folder));
        Assert.Null(await ShimFrame.ReadAsync(connection));
    }

    [Fact]
    public async Task It_ends_with_a_signal_and_takes_its_folder_along()
    {
        using var kill = Process.Start("kill", ["-TERM", $"{broker.Id}"]);

        await broker.WaitForExitAsync(TestContext.Current.CancellationToken);

        Assert.False(Directory.Exists(folder));
    }

    [Fact]
    public async Task What_one_that_was_killed_has_left_goes_with_the_next_one()
    {
        broker.Kill();
        await broker.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.True(Directory.Exists(folder));

        await Until.TrueAsync(
            async () =>
            {
                var next = shim.StartTrade("broker", shim.Folder);
                next.StandardInput.Close();
                Assert.Equal(0, (await ShimProgram.EndAsync(next)).Code);
                return !Directory.Exists(folder);
            },
            "the folder is gone");
    }

    [Fact]
    public async Task A_frame_of_the_coordinator_that_is_too_long_ends_it()
    {
        await TellAsync([.. ShimFrame.Number(1), .. ShimFrame.Number(ShimFrame.Output), .. ShimFrame.Number(1024 * 1024 + 1)]);

        await broker.WaitForExitAsync(TestContext.Current.CancellationToken);

        Assert.False(Directory.Exists(folder));
    }

    private async Task<NetworkStream> ConnectAsync()
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(Path.Combine(folder, "socket")), TestContext.Current.CancellationToken);
        return new(socket, ownsSocket: true);
    }

    private async Task TellAsync(byte[] bytes)
    {
        try
        {
            await broker.StandardInput.BaseStream.WriteAsync(bytes, TestContext.Current.CancellationToken);
            await broker.StandardInput.BaseStream.FlushAsync(TestContext.Current.CancellationToken);
        }
        catch (IOException)
        {
            // It has ended: the test sees that.
        }
    }

    private async Task<(uint Connection, uint Type, string Payload)> RelayedAsync()
    {
        var connection = new byte[4];
        await broker.StandardOutput.BaseStream.ReadExactlyAsync(connection, TestContext.Current.CancellationToken);
        var frame = await ShimFrame.ReadAsync(broker.StandardOutput.BaseStream);
        return (new ShimFields(connection).Number(), frame!.Type, Convert.ToHexStringLower(frame.Payload));
    }
}
