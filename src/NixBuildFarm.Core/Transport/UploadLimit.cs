namespace NixBuildFarm.Transport;

/// <summary>
/// Sends no more to a builder than its policy allows, whatever the number of channels: each write waits for those before it, at the allowed
/// pace. What comes from the builder is not held up.
/// </summary>
/// <param name="inner">Reaches the builder.</param>
/// <param name="bytesPerSecond">The pace, 1 or more.</param>
/// <param name="time">The clock.</param>
internal sealed class UploadLimit(IBuilderTransport inner, long bytesPerSecond, TimeProvider time) : IBuilderTransport
{
    private readonly object gate = new();
    private readonly long start = time.GetTimestamp();
    private double busyUntil;

    /// <summary>What is sent at once: a quarter of a second's worth, so that the pace is even, and one byte at least.</summary>
    private int LargestPiece => (int)Math.Clamp(bytesPerSecond / 4, 1, 1 << 20);

    /// <inheritdoc/>
    public async Task<IBuilderChannel> OpenAsync(ChannelUse use, CancellationToken cancellation) =>
        new Channel(await inner.OpenAsync(use, cancellation), this);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => inner.DisposeAsync();

    private async Task WaitForTurnAsync(int bytes, CancellationToken cancellation)
    {
        double turn;
        lock (gate)
        {
            var now = time.GetElapsedTime(start).TotalSeconds;
            turn = Math.Max(0, busyUntil - now);
            busyUntil = Math.Max(now, busyUntil) + (double)bytes / bytesPerSecond;
        }
        if (turn > 0) await Task.Delay(TimeSpan.FromSeconds(turn), time, cancellation);
    }

    private sealed class Channel(IBuilderChannel inner, UploadLimit limit) : IBuilderChannel
    {
        public Stream Stream { get; } = new DuplexStream(inner.Stream, new PacedStream(inner.Stream, limit));

        public string ErrorOutput => inner.ErrorOutput;

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }

    /// <summary>The sending half. The stream below belongs to the channel.</summary>
    private sealed class PacedStream(Stream output, UploadLimit limit) : Stream
    {
        public override bool CanRead => false;

        public override bool CanWrite => true;

        public override bool CanSeek => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            while (!buffer.IsEmpty)
            {
                var piece = buffer[..Math.Min(buffer.Length, limit.LargestPiece)];
                await limit.WaitForTurnAsync(piece.Length, cancellationToken);
                await output.WriteAsync(piece, cancellationToken);
                buffer = buffer[piece.Length..];
            }
        }

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override void Write(byte[] buffer, int offset, int count) => WriteAsync(buffer.AsMemory(offset, count)).AsTask().GetAwaiter().GetResult();

        public override void Flush() => output.Flush();

        public override Task FlushAsync(CancellationToken cancellationToken) => output.FlushAsync(cancellationToken);

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
