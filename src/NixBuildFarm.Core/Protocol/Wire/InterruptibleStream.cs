using NixBuildFarm.Errors;

namespace NixBuildFarm.Protocol.Wire;

/// <summary>
/// A builder's stream whose reads and writes end at once when they are cancelled, whether or not the stream itself can do that. After a
/// cancellation it is good for nothing but being closed: the abandoned operation may still be under way, and still uses the memory that
/// it was given.
/// </summary>
/// <param name="inner">The stream.</param>
/// <param name="explain">Makes the error that says whose stream has failed.</param>
internal sealed class InterruptibleStream(Stream inner, Func<Exception, BuilderException> explain) : AsyncStream
{
    private volatile bool isAbandoned;
    private long passed;

    /// <summary>Whether a read or a write has failed.</summary>
    public bool IsLost { get; private set; }

    /// <summary>How many bytes have come and gone.</summary>
    public long Passed => Interlocked.Read(ref passed);

    public override bool CanRead => true;

    public override bool CanWrite => true;

    /// <summary>Says that the stream is about to be closed: whatever fails from now on fails because of that.</summary>
    public void Abandon() => isAbandoned = true;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        try
        {
            cancellationToken.ThrowIfCancellationRequested();
            var read = inner.ReadAsync(buffer, cancellationToken);
            var count = read.IsCompleted ? await read : await read.AsTask().WaitAsync(cancellationToken);
            Interlocked.Add(ref passed, count);
            return count;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            throw Explain(e, cancellationToken);
        }
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        try
        {
            cancellationToken.ThrowIfCancellationRequested();
            var write = inner.WriteAsync(buffer, cancellationToken);
            if (write.IsCompleted) await write;
            else await write.AsTask().WaitAsync(cancellationToken);
            await inner.FlushAsync(cancellationToken).WaitAsync(cancellationToken);
            Interlocked.Add(ref passed, buffer.Length);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            throw Explain(e, cancellationToken);
        }
    }

    // A stream that is closed under an operation fails in ways of its own, often before it notices the cancellation.
    private Exception Explain(Exception cause, CancellationToken cancellation)
    {
        if (isAbandoned || cancellation.IsCancellationRequested) return new OperationCanceledException(null, cause, cancellation);
        IsLost = true;
        return cause as BuilderException ?? explain(cause);
    }
}
