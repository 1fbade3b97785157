using NixBuildFarm.Protocol.Wire;

namespace NixBuildFarm.Core.Tests.Protocol.Wire;

/// <summary>Gives its bytes in pieces of at most so many, each after a real wait now and then.</summary>
internal sealed class PiecewiseStream(byte[] bytes, int piece) : AsyncStream
{
    private int position;

    public override bool CanRead => true;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (position % 3 == 0) await Task.Yield();
        var count = Math.Min(Math.Min(piece, buffer.Length), bytes.Length - position);
        bytes.AsSpan(position, count).CopyTo(buffer.Span);
        position += count;
        return count;
    }
}
