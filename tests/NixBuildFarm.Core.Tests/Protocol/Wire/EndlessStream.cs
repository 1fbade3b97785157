using NixBuildFarm.Protocol.Wire;

namespace NixBuildFarm.Core.Tests.Protocol.Wire;

/// <summary>Some bytes, and then one byte for ever.</summary>
internal sealed class EndlessStream(byte[] beginning, byte then) : AsyncStream
{
    private int position;

    public override bool CanRead => true;

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var count = Math.Min(beginning.Length - position, buffer.Length);
        beginning.AsSpan(position, count).CopyTo(buffer.Span);
        position += count;
        buffer.Span[count..].Fill(then);
        return new(buffer.Length);
    }
}
