using System.Text.Json;
using NixBuildFarm.Protocol.Wire;

namespace NixBuildFarm.Serving.Control;

/// <summary>Lines of JSON over a stream, one message a line.</summary>
internal sealed class ControlConnection(Stream stream) : IAsyncDisposable
{
    private readonly byte[] buffer = new byte[64 << 10];
    private readonly SemaphoreSlim turn = new(1);
    private int start;
    private int end;

    /// <summary>Writes a message; safe for concurrent use.</summary>
    public async Task WriteAsync<T>(T message, CancellationToken cancellation)
    {
        byte[] line = [.. JsonSerializer.SerializeToUtf8Bytes(message, ControlJson.Options), (byte)'\n'];
        await turn.WaitAsync(cancellation);
        try
        {
            await stream.WriteAsync(line, cancellation);
        }
        finally
        {
            turn.Release();
        }
    }

    /// <summary>Reads a message; null at the end of the stream.</summary>
    /// <exception cref="WireException">It is none.</exception>
    public async Task<T?> ReadAsync<T>(CancellationToken cancellation)
        where T : class
    {
        using var line = new MemoryStream();
        while (true)
        {
            var length = buffer.AsSpan(start, end - start).IndexOf((byte)'\n');
            line.Write(buffer, start, length < 0 ? end - start : length);
            if (length >= 0)
            {
                start += length + 1;
                return Parse<T>(line);
            }
            if (line.Length > ControlJson.LongestLine) throw new WireException("A line of the control socket is too long.");
            (start, end) = (0, await stream.ReadAsync(buffer, cancellation));
            if (end == 0) return null;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await stream.DisposeAsync();
        turn.Dispose();
    }

    private static T Parse<T>(MemoryStream line)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize<T>(line.GetBuffer().AsSpan(0, (int)line.Length), ControlJson.Options)
                ?? throw new WireException("A line of the control socket is empty.");
        }
        catch (Exception e) when (e is JsonException or NotSupportedException)
        {
            throw new WireException($"A line of the control socket is not understood: {e.Message}", inner: e);
        }
    }
}
