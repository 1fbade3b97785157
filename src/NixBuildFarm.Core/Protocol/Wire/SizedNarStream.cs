using NixBuildFarm.Store;

namespace NixBuildFarm.Protocol.Wire;

/// <summary>
/// Passes a NAR on, and checks that it is as long as announced. Its hash is for the daemon that takes it: it computes it in any case,
/// refuses a NAR with another one, and says which path that was.
/// </summary>
internal sealed class SizedNarStream(Stream destination, PathInfo announced) : AsyncStream
{
    private long written;

    public override bool CanWrite => true;

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        written += buffer.Length;
        if (written > announced.NarSize) throw new NarMismatchException(announced, "is longer");
        return destination.WriteAsync(buffer, cancellationToken);
    }

    /// <summary>Checks the number of bytes.</summary>
    /// <exception cref="NarMismatchException">It is another one.</exception>
    public void Verify()
    {
        if (written != announced.NarSize) throw new NarMismatchException(announced, $"ends after {written} bytes");
    }
}
