using System.Diagnostics;
using System.Net.Sockets;

namespace NixBuildFarm.Core.Tests.Sharing;

/// <summary>A shim that runs in the place of a compiler, and the test as its coordinator.</summary>
internal sealed class ShimConversation : IDisposable
{
    private readonly Process process;
    private readonly Socket listener;
    private NetworkStream? stream;

    private ShimConversation(Process process, Socket listener) => (this.process, this.listener) = (process, listener);

    /// <summary>Starts a shim with these arguments.</summary>
    public static ShimConversation Begin(
        ShimProgram shim, IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null)
    {
        var broker = shim.Listen();
        return new(shim.StartTool(arguments, environment), broker);
    }

    /// <summary>Takes its connection, and returns its hello.</summary>
    public async Task<(string Tool, string Source, string Home)> HelloAsync()
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(Until.Limit);
        stream = new(await listener.AcceptAsync(limit.Token), ownsSocket: true);
        var fields = new ShimFields(await PayloadAsync(ShimFrame.Hello));
        var hello = (fields.String(), fields.String(), fields.String());
        Assert.True(fields.IsAtEnd);
        return hello;
    }

    /// <summary>The next frame; null: the shim has closed its end.</summary>
    public Task<ShimFrame?> ReadAsync() => ShimFrame.ReadAsync(stream!);

    /// <summary>The payload of the next frame, which is of this type.</summary>
    public async Task<byte[]> PayloadAsync(uint type)
    {
        var frame = await ReadAsync();
        Assert.NotNull(frame);
        Assert.Equal(type, frame.Type);
        Assert.InRange(frame.Payload.Length, 0, 64 * 1024);
        return frame.Payload;
    }

    /// <summary>Sends a frame. A shim that has ended meanwhile takes none.</summary>
    public async Task SendAsync(uint type, params byte[] payload)
    {
        try
        {
            await stream!.WriteAsync(new ShimFrame(type, payload).Bytes, TestContext.Current.CancellationToken);
        }
        catch (IOException)
        {
            // What it did tells the test.
        }
    }

    /// <summary>Asks for the description, and returns it.</summary>
    public async Task<byte[]> DescriptionAsync()
    {
        await SendAsync(ShimFrame.Describe);
        return await ChunksAsync(ShimFrame.Unit, index: null);
    }

    /// <summary>Asks for a file, and returns it.</summary>
    public async Task<byte[]> ContentAsync(uint index)
    {
        await SendAsync(ShimFrame.Send, [.. ShimFrame.Number(1), .. ShimFrame.Number(index)]);
        return await ChunksAsync(ShimFrame.Content, index);
    }

    /// <summary>Whatever it still says: the reason, when it goes home by its own decision.</summary>
    public async Task<string?> ReasonAsync()
    {
        string? reason = null;
        while (await ReadAsync() is { } frame)
        {
            if (frame.Type == ShimFrame.Local) reason = new ShimFields(frame.Payload).String();
        }
        return reason;
    }

    /// <summary>Closes the connection.</summary>
    public void Close() => stream!.Dispose();

    /// <summary>How it ends.</summary>
    public Task<ShimEnd> EndAsync() => ShimProgram.EndAsync(process);

    public void Dispose()
    {
        stream?.Dispose();
        listener.Dispose();
    }

    private async Task<byte[]> ChunksAsync(uint type, uint? index)
    {
        var all = new MemoryStream();
        for (var isLast = false; !isLast;)
        {
            var payload = await PayloadAsync(type);
            var fields = new ShimFields(payload);
            if (index is not null) Assert.Equal(index, fields.Number());
            isLast = fields.Number() == 1;
            all.Write(fields.Bytes(payload.Length - (index is null ? 4 : 8)));
        }
        return all.ToArray();
    }
}
