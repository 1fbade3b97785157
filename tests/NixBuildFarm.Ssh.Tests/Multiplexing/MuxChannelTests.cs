using System.Buffers.Binary;
using System.Net.Sockets;
using NixBuildFarm.Errors;
using NixBuildFarm.Ssh.Channels;
using NixBuildFarm.Ssh.Configuration;
using NixBuildFarm.Ssh.Multiplexing;

namespace NixBuildFarm.Ssh.Tests.Multiplexing;

/// <summary>A channel over the control socket of an ssh program that does what a test wants.</summary>
public sealed class MuxChannelTests : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("nixbuildfarm-mux-");
    private readonly Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);

    public MuxChannelTests()
    {
        listener.Bind(new UnixDomainSocketEndPoint(Control));
        listener.Listen();
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private string Control => Path.Combine(folder.FullName, "control");

    public void Dispose()
    {
        listener.Dispose();
        folder.Delete(recursive: true);
    }

    [Fact]
    public async Task A_question_of_the_server_is_answered_or_it_takes_us_for_dead()
    {
        var (channel, ssh) = await OpenAsync();

        await ssh.SendAsync(98, w => w.Number(0).Text("keepalive@openssh.com").Flag(true));

        Assert.Equal((100, Number(7)), await ssh.ReceiveAsync());
        await channel.DisposeAsync();
    }

    [Fact]
    public async Task No_more_is_sent_than_the_server_has_room_for()
    {
        var (channel, ssh) = await OpenAsync(window: 5);
        var writing = channel.Stream.WriteAsync("123456789"u8.ToArray(), Cancellation).AsTask();

        Assert.Equal((94, Data("12345")), await ssh.ReceiveAsync());
        Assert.False(writing.IsCompleted);
        await ssh.SendAsync(93, w => w.Number(0).Number(100));

        Assert.Equal((94, Data("6789")), await ssh.ReceiveAsync());
        await writing;
        await channel.DisposeAsync();
    }

    [Fact]
    public async Task The_server_is_told_of_room_as_its_bytes_are_read_and_not_before()
    {
        var (channel, ssh) = await OpenAsync();
        var much = new string('x', 32 * 1024);
        for (var i = 0; i < 64; i++) await ssh.SendAsync(94, w => w.Number(0).Text(much));
        await ssh.SendAsync(98, w => w.Number(0).Text("question").Flag(true));
        // All of it has come, and nobody has read.
        Assert.Equal(100, (await ssh.ReceiveAsync()).Kind);

        await channel.Stream.ReadExactlyAsync(new byte[64 * much.Length], Cancellation);

        Assert.Equal(93, (await ssh.ReceiveAsync()).Kind);
        await channel.DisposeAsync();
    }

    [Fact]
    public async Task A_refused_channel_says_why()
    {
        var opening = OpenChannelAsync();
        using var ssh = await AcceptAsync();
        await ssh.ReceiveAsync();
        await ssh.SendAsync(92, w => w.Number(0).Number(1).Text("open failed: no such luck").Text(""));

        var refusal = await Assert.ThrowsAsync<MuxRefusedException>(() => opening);

        Assert.Equal(MuxRefusal.OfChannel, refusal.Refusal);
        Assert.Contains("no such luck", refusal.Message);
    }

    [Fact]
    public async Task A_program_that_speaks_otherwise_is_not_used()
    {
        var opening = OpenChannelAsync();
        using var ssh = new FakeSsh(await listener.AcceptAsync(Cancellation));
        // As an ssh does that has no proxy mode: its hello, then an error.
        await ssh.SendFrameAsync(new SshMessageWriter().Number(1).Number(4));
        await ssh.SendFrameAsync(new SshMessageWriter().Number(0x80000003).Number(1).Text("unsupported request"));

        Assert.Equal(MuxRefusal.ByProgram, (await Assert.ThrowsAsync<MuxRefusedException>(() => opening)).Refusal);
    }

    [Fact]
    public async Task A_server_that_runs_no_command_refuses_that_and_not_the_channel()
    {
        var opening = OpenChannelAsync(command: "nix-daemon");
        using var ssh = await AcceptAsync();
        await ssh.ReceiveAsync();
        await ssh.SendAsync(91, w => w.Number(0).Number(7).Number(100).Number(32768));
        Assert.Equal(98, (await ssh.ReceiveAsync()).Kind);
        await ssh.SendAsync(100, w => w.Number(0));

        Assert.Equal(MuxRefusal.OfCommand, (await Assert.ThrowsAsync<MuxRefusedException>(() => opening)).Refusal);
    }

    [Theory]
    [InlineData(new byte[] { 0, 0, 0, 1, 0 })]
    [InlineData(new byte[] { 0xff, 0xff, 0xff, 0xff, 0, 94 })]
    [InlineData(new byte[] { 0, 0, 0, 6, 0, 94, 0, 0, 0, 0 })]
    [InlineData(new byte[] { 0, 0, 0, 10, 0, 94, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff })]
    [InlineData(new byte[] { 0, 0, 0, 9 })]
    public async Task Broken_messages_end_the_channel_with_an_error(byte[] message)
    {
        var (channel, ssh) = await OpenAsync();

        await ssh.SendRawAsync(message);
        ssh.Dispose();

        var error = await Assert.ThrowsAsync<BuilderException>(() => channel.Stream.ReadAsync(1));
        Assert.Equal(BuilderFailure.ConnectionLost, error.Failure);
        await Assert.ThrowsAsync<BuilderException>(() => channel.Stream.WriteTextAsync("x"));
        await channel.DisposeAsync();
    }

    [Fact]
    public async Task An_end_in_order_is_no_error()
    {
        var (channel, ssh) = await OpenAsync();
        await ssh.SendAsync(94, w => w.Number(0).Text("bye"));
        await ssh.SendAsync(96, w => w.Number(0));
        await ssh.SendAsync(97, w => w.Number(0));

        Assert.Equal("bye", await channel.Stream.ReadToEndAsync());
        Assert.Equal((97, Number(7)), await ssh.ReceiveAsync());
        await channel.DisposeAsync();
    }

    [Fact]
    public async Task Nothing_is_sent_after_a_close_since_the_server_ends_the_login_for_it()
    {
        var connecting = MuxSocket.ConnectAsync(Control, Cancellation);
        using var ssh = await AcceptAsync();
        using var mux = await connecting;

        await mux.SendAsync(SshMessageKind.Close, new SshMessageWriter().Number(7).Bytes);

        await Assert.ThrowsAsync<IOException>(
            () => mux.SendAsync(SshMessageKind.Data, new SshMessageWriter().Number(7).Bytes, "late"u8.ToArray()));
        mux.Dispose();
        Assert.Equal((97, Number(7)), await ssh.ReceiveAsync());
        await Assert.ThrowsAsync<EndOfStreamException>(ssh.ReceiveAsync);
    }

    [Fact]
    public async Task Who_writes_while_the_server_closes_the_channel_is_told_and_writes_nothing_after_it()
    {
        var (channel, ssh) = await OpenAsync(window: 1 << 30);
        var writing = channel.Stream.WriteAsync(new byte[8 << 20], Cancellation).AsTask();
        await ssh.SendAsync(97, w => w.Number(0));

        var kinds = new List<int>();
        while (!kinds.Contains(97)) kinds.Add((await ssh.ReceiveAsync()).Kind);

        await Assert.ThrowsAsync<EndOfStreamException>(ssh.ReceiveAsync);
        await Assert.ThrowsAsync<BuilderException>(() => writing);
        await channel.DisposeAsync();
    }

    private async Task<(MuxChannel Channel, FakeSsh Ssh)> OpenAsync(uint window = 1 << 20)
    {
        var opening = OpenChannelAsync();
        var ssh = await AcceptAsync();
        Assert.Equal(90, (await ssh.ReceiveAsync()).Kind);
        await ssh.SendAsync(91, w => w.Number(0).Number(7).Number(window).Number(32768));
        return (await opening, ssh);
    }

    private Task<MuxChannel> OpenChannelAsync(string? command = null)
    {
        var config = SshConfig.Default("ruby", "root", 22, null, new() { User = "root", Home = "/", SshOptions = [] });
        var builder = new Builders.NixBuilder
        {
            Name = "ruby", HostName = "ruby", Uri = "ssh-ng://ruby", Systems = ["x86_64-linux"], Source = "test",
        };
        return MuxChannel.OpenAsync(
            Control,
            new() { Command = command, SocketPath = "/run/daemon", Errors = new SshErrors(builder, config), LastWords = () => "" },
            Cancellation);
    }

    private async Task<FakeSsh> AcceptAsync()
    {
        var ssh = new FakeSsh(await listener.AcceptAsync(Cancellation));
        await ssh.ReceiveFrameAsync();
        await ssh.ReceiveFrameAsync();
        await ssh.SendFrameAsync(new SshMessageWriter().Number(1).Number(4));
        await ssh.SendFrameAsync(new SshMessageWriter().Number(0x8000000f).Number(1));
        return ssh;
    }

    private static string Number(uint number) => Convert.ToHexString(new SshMessageWriter().Number(number).Bytes.Span);

    private static string Data(string text) => Convert.ToHexString(new SshMessageWriter().Number(7).Text(text).Bytes.Span);

    private sealed class FakeSsh(Socket socket) : IDisposable
    {
        private readonly NetworkStream stream = new(socket, ownsSocket: true);

        public async Task SendAsync(byte kind, Action<SshMessageWriter> write)
        {
            var fields = new SshMessageWriter();
            write(fields);
            await SendFrameAsync([0, kind, .. fields.Bytes.Span]);
        }

        public Task SendFrameAsync(SshMessageWriter fields) => SendFrameAsync(fields.Bytes.ToArray());

        public async Task SendRawAsync(byte[] bytes) => await stream.WriteAsync(bytes, Cancellation);

        public async Task<byte[]> ReceiveFrameAsync()
        {
            var length = new byte[4];
            await stream.ReadExactlyAsync(length, Cancellation).AsTask().WaitAsync(Until.Limit, Cancellation);
            var frame = new byte[BinaryPrimitives.ReadInt32BigEndian(length)];
            await stream.ReadExactlyAsync(frame, Cancellation).AsTask().WaitAsync(Until.Limit, Cancellation);
            return frame;
        }

        public async Task<(int Kind, string Fields)> ReceiveAsync()
        {
            var frame = await ReceiveFrameAsync();
            Assert.Equal(0, frame[0]);
            return (frame[1], Convert.ToHexString(frame.AsSpan(2)));
        }

        public void Dispose() => stream.Dispose();

        private async Task SendFrameAsync(byte[] frame)
        {
            var length = new byte[4];
            BinaryPrimitives.WriteInt32BigEndian(length, frame.Length);
            await stream.WriteAsync(length, Cancellation);
            await stream.WriteAsync(frame, Cancellation);
        }
    }
}
