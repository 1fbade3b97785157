using NixBuildFarm.Platform;
using NixBuildFarm.Protocol.Wire;

namespace NixBuildFarm.Transport;

/// <summary>
/// Limits the rate of bytes that are sent to a builder, over all its channels, to its policy: each write waits for those before it. Bytes
/// from the builder are not limited.
/// </summary>
/// <param name="inner">Reaches the builder.</param>
/// <param name="bytesPerSecond">The pace, 1 or more.</param>
/// <param name="time">The clock.</param>
internal sealed class UploadLimit(IBuilderTransport inner, long bytesPerSecond, TimeProvider time) : IBuilderTransport
{
    private readonly Pace pace = new(bytesPerSecond, burst: TimeSpan.Zero, time);

    /// <summary>Bytes that are sent at once: a quarter of a second's worth, for an even rate, and at least one byte.</summary>
    private readonly int largestPiece = (int)Math.Clamp(bytesPerSecond / 4, 1, 1 << 20);

    /// <inheritdoc/>
    public async Task<IBuilderChannel> OpenAsync(ChannelUse use, CancellationToken cancellation) =>
        new Channel(await inner.OpenAsync(use, cancellation), this);

    /// <inheritdoc/>
    public async Task<IBuilderChannel> OpenAsync(StoreProgram program, CancellationToken cancellation) =>
        new Channel(await inner.OpenAsync(program, cancellation), this);

    /// <inheritdoc/>
    public void LeaveDaemonSocket(string reason) => inner.LeaveDaemonSocket(reason);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => inner.DisposeAsync();

    private sealed class Channel(IBuilderChannel inner, UploadLimit limit) : IBuilderChannel
    {
        public Stream Stream { get; } = new DuplexStream(inner.Stream, new PacedStream(inner.Stream, limit));

        public string ErrorOutput => inner.ErrorOutput;

        public bool IsDaemonSocket => inner.IsDaemonSocket;

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }

    /// <summary>The sending half. The stream below belongs to the channel.</summary>
    private sealed class PacedStream(Stream output, UploadLimit limit) : AsyncStream
    {
        public override bool CanWrite => true;

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            while (!buffer.IsEmpty)
            {
                var piece = buffer[..Math.Min(buffer.Length, limit.largestPiece)];
                await limit.pace.WaitAsync(piece.Length, cancellationToken);
                await output.WriteAsync(piece, cancellationToken);
                buffer = buffer[piece.Length..];
            }
        }

        public override Task FlushAsync(CancellationToken cancellationToken) => output.FlushAsync(cancellationToken);
    }
}
