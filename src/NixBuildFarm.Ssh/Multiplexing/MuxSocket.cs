using System.Buffers;
using System.Buffers.Binary;
using System.Net.Sockets;

namespace NixBuildFarm.Ssh.Multiplexing;

/// <summary>
/// A connection to the control socket of an ssh program. It passes messages of SSH's connection protocol to the server and back, bare of
/// what the program does to them on the way [PROTOCOL.mux of OpenSSH, “proxy mode”, since 7.4]. So a channel needs no process of its own,
/// and no thread. One reader, any writers.
/// </summary>
internal sealed class MuxSocket : IDisposable
{
    /// <summary>The most data that a message holds, as SSH asks of everybody at least [RFC 4253, section 6.1].</summary>
    public const int MostData = 32 * 1024;

    private const int Header = 6; // length, padding, kind
    private const int LongestMessage = MostData + 1024;
    private const int Version = 4;
    private const uint HelloMessage = 1, ProxyRequest = 0x1000000F, ProxyAnswer = 0x8000000F, RequestNumber = 1;

    private readonly Socket socket;
    private readonly SemaphoreSlim sending = new(1, 1);
    private byte[]? received;
    private bool hasClosed;
    private int start, end;

    private MuxSocket(Socket socket) => this.socket = socket;

    /// <summary>Connects to a control socket.</summary>
    /// <exception cref="MuxRefusedException">The program does not speak so.</exception>
    /// <exception cref="IOException">The program is gone.</exception>
    public static async Task<MuxSocket> ConnectAsync(string path, CancellationToken cancellation)
    {
        var connecting = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        var mux = new MuxSocket(connecting);
        try
        {
            await connecting.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellation);
            await mux.GreetAsync(cancellation);
            return mux;
        }
        catch (Exception e)
        {
            mux.Dispose();
            if (e is InvalidDataException) throw new MuxRefusedException(e.Message, MuxRefusal.ByProgram);
            if (e is SocketException) throw new IOException(e.Message, e);
            throw;
        }
    }

    /// <summary>
    /// Sends a message. A sender that gives up leaves it to be sent to its end. Nothing follows a <see cref="SshMessageKind.Close"/>: the
    /// server ends the whole login at a message for a channel that both sides have closed.
    /// </summary>
    /// <param name="kind">Its kind.</param>
    /// <param name="fields">Its fields before the data.</param>
    /// <param name="data">More, with its count before it; none: no count either.</param>
    /// <exception cref="IOException">The program is gone, or the channel is closed.</exception>
    public async Task SendAsync(SshMessageKind kind, ReadOnlyMemory<byte> fields, ReadOnlyMemory<byte> data = default)
    {
        var counted = data.IsEmpty ? 0 : sizeof(uint) + data.Length;
        var length = Header + fields.Length + counted;
        var message = ArrayPool<byte>.Shared.Rent(length);
        try
        {
            BinaryPrimitives.WriteInt32BigEndian(message, length - sizeof(uint));
            message[4] = 0;
            message[5] = (byte)kind;
            fields.Span.CopyTo(message.AsSpan(Header));
            if (counted > 0)
            {
                BinaryPrimitives.WriteInt32BigEndian(message.AsSpan(Header + fields.Length), data.Length);
                data.Span.CopyTo(message.AsSpan(Header + fields.Length + sizeof(uint)));
            }
            await SendAsync(message.AsMemory(0, length), isLast: kind == SshMessageKind.Close);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(message);
        }
    }

    /// <summary>The next message; null: the program has closed the connection.</summary>
    /// <returns>Its kind and its fields, which are valid until the next call.</returns>
    /// <exception cref="IOException">The connection broke.</exception>
    /// <exception cref="InvalidDataException">What comes is no message.</exception>
    public async ValueTask<(SshMessageKind Kind, ReadOnlyMemory<byte> Fields)?> ReceiveAsync()
    {
        if (await FrameAsync(CancellationToken.None) is not { } frame) return null;
        if (frame.Length < 2) throw new InvalidDataException("A message of the ssh program has no kind.");
        return ((SshMessageKind)frame.Span[1], frame[2..]);
    }

    /// <summary>Closes the connection, and so every channel behind it.</summary>
    public void Dispose() => socket.Dispose();

    private async Task GreetAsync(CancellationToken cancellation)
    {
        await SendAsync(Framed(new SshMessageWriter().Number(HelloMessage).Number(Version)));
        await SendAsync(Framed(new SshMessageWriter().Number(ProxyRequest).Number(RequestNumber)));
        await ExpectAsync(HelloMessage, Version, cancellation);
        await ExpectAsync(ProxyAnswer, RequestNumber, cancellation);
    }

    private async Task ExpectAsync(uint kind, uint value, CancellationToken cancellation)
    {
        if (await FrameAsync(cancellation) is not { } frame) throw new IOException("The ssh program has closed its control socket.");
        var reader = new SshMessageReader(frame.Span);
        var (answered, number) = (reader.Number(), reader.Number());
        if (answered != kind || number != value)
        {
            throw new InvalidDataException($"The ssh program answers its control socket with {answered:x} {number}.");
        }
    }

    private static byte[] Framed(SshMessageWriter fields)
    {
        var bytes = fields.Bytes.Span;
        var frame = new byte[sizeof(uint) + bytes.Length];
        BinaryPrimitives.WriteInt32BigEndian(frame, bytes.Length);
        bytes.CopyTo(frame.AsSpan(sizeof(uint)));
        return frame;
    }

    private async Task SendAsync(ReadOnlyMemory<byte> frame, bool isLast = false)
    {
        await sending.WaitAsync();
        try
        {
            // Who has waited for its turn may come after the close.
            if (hasClosed) throw new IOException("The channel is closed.");
            hasClosed = isLast;
            while (!frame.IsEmpty) frame = frame[await socket.SendAsync(frame)..];
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            throw new IOException(e.Message, e);
        }
        finally
        {
            sending.Release();
        }
    }

    // A frame is a count and as many bytes.
    private async ValueTask<ReadOnlyMemory<byte>?> FrameAsync(CancellationToken cancellation)
    {
        if (!await FillAsync(sizeof(uint), cancellation)) return null;
        var length = BinaryPrimitives.ReadUInt32BigEndian(received.AsSpan(start));
        if (length > LongestMessage) throw new InvalidDataException($"The ssh program announces a message of {length} bytes.");
        start += sizeof(uint);
        if (!await FillAsync((int)length, cancellation)) throw new IOException("The ssh program ended in the middle of a message.");
        var frame = received.AsMemory(start, (int)length);
        start += (int)length;
        return frame;
    }

    // Until so many bytes are there; false: the end comes before the first of them.
    private async ValueTask<bool> FillAsync(int count, CancellationToken cancellation)
    {
        if (end - start >= count) return true;
        await MakeRoomAsync(cancellation);
        while (end - start < count)
        {
            var more = await ReceiveAsync(received.AsMemory(end), cancellation);
            if (more == 0) return start == end ? false : throw new IOException("The ssh program ended in the middle of a message.");
            end += more;
        }
        return true;
    }

    // A channel that nothing comes from has no buffer: most of them wait for a build.
    private async ValueTask MakeRoomAsync(CancellationToken cancellation)
    {
        if (received is { } old && start == end)
        {
            received = null;
            ArrayPool<byte>.Shared.Return(old);
        }
        if (received is null)
        {
            (start, end) = (0, 0);
            await ReceiveAsync(Memory<byte>.Empty, cancellation);
            received = ArrayPool<byte>.Shared.Rent(sizeof(uint) + LongestMessage);
        }
        else if (start > 0)
        {
            received.AsSpan(start, end - start).CopyTo(received);
            (start, end) = (0, end - start);
        }
    }

    private async ValueTask<int> ReceiveAsync(Memory<byte> buffer, CancellationToken cancellation)
    {
        try
        {
            return await socket.ReceiveAsync(buffer, cancellation);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            throw new IOException(e.Message, e);
        }
    }
}
