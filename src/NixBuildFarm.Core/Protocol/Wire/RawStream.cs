namespace NixBuildFarm.Protocol.Wire;

/// <summary>The reader's next bytes, undecoded: a NAR that follows a reply.</summary>
internal sealed class RawStream(WireReader reader) : AsyncStream
{
    public override bool CanRead => true;

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        reader.ReadRawAsync(buffer, cancellationToken);
}
