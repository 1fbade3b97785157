namespace NixBuildFarm.Core.Tests.Reporting;

/// <summary>A file on a disk that is full.</summary>
internal sealed class FullStream : MemoryStream
{
    public int Writes { get; private set; }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        Writes++;
        throw new IOException("No space left");
    }
}
