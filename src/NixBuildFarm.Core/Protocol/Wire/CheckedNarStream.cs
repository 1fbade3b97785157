using System.Security.Cryptography;
using NixBuildFarm.Store;

namespace NixBuildFarm.Protocol.Wire;

/// <summary>Passes a NAR on, and checks that it is the announced one.</summary>
internal sealed class CheckedNarStream(Stream destination, PathInfo announced) : AsyncStream
{
    private readonly IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private long written;

    public override bool CanWrite => true;

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        written += buffer.Length;
        if (written > announced.NarSize) throw Mismatch("is longer");
        hash.AppendData(buffer.Span);
        return destination.WriteAsync(buffer, cancellationToken);
    }

    /// <summary>Checks the written bytes.</summary>
    /// <exception cref="NarMismatchException">Size or hash is another.</exception>
    public void Verify()
    {
        if (written != announced.NarSize) throw Mismatch($"ends after {written} bytes");
        var actual = new Sha256Hash(hash.GetCurrentHash());
        if (actual != announced.NarHash) throw Mismatch($"has the hash {actual}");
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) hash.Dispose();
        base.Dispose(disposing);
    }

    private NarMismatchException Mismatch(string what) => new(announced, what);
}
