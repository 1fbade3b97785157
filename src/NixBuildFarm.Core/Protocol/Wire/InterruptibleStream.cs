using NixBuildFarm.Builders;

namespace NixBuildFarm.Protocol.Wire;

/// <summary>
/// A builder's stream whose reads and writes end at once when they are cancelled, whether or not the stream itself can do that, and whose
/// failures say which builder was lost. After a cancellation the stream is good for nothing but being closed: the abandoned operation may
/// still be under way, and still uses the memory that it was given.
/// </summary>
internal sealed class InterruptibleStream(Stream inner, string builder) : AsyncStream
{
    /// <summary>Whether a read or a write has failed.</summary>
    public bool IsLost { get; private set; }

    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        try
        {
            cancellationToken.ThrowIfCancellationRequested();
            var read = inner.ReadAsync(buffer, cancellationToken);
            return read.IsCompleted ? await read : await read.AsTask().WaitAsync(cancellationToken);
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            throw Lost(e, cancellationToken);
        }
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        try
        {
            cancellationToken.ThrowIfCancellationRequested();
            var write = inner.WriteAsync(buffer, cancellationToken);
            if (!write.IsCompleted) await write.AsTask().WaitAsync(cancellationToken);
            else await write;
            await inner.FlushAsync(cancellationToken).WaitAsync(cancellationToken);
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            throw Lost(e, cancellationToken);
        }
    }

    private Exception Lost(Exception cause, CancellationToken cancellation)
    {
        // A stream that is closed because of the cancellation often fails before it notices the cancellation.
        if (cancellation.IsCancellationRequested) return new OperationCanceledException(cancellation);
        IsLost = true;
        return new BuilderException(builder, BuilderFailure.ConnectionLost, $"The connection to {builder} was lost: {cause.Message}", inner: cause);
    }
}
