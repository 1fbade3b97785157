using NixBuildFarm.Protocol.Wire;

namespace NixBuildFarm.Core.Tests.Protocol;

/// <summary>The content of frames as one stream, the server's side.</summary>
internal sealed class FrameReader(WireReader source, Func<Task> frameBegins) : AsyncStream
{
    private ulong remaining;

    /// <summary>Whether the end mark has come.</summary>
    public bool HasEnded { get; private set; }

    public override bool CanRead => true;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (remaining == 0 && !HasEnded)
        {
            remaining = await source.ReadUInt64Async(cancellationToken);
            HasEnded = remaining == 0;
            if (!HasEnded) await frameBegins();
        }
        if (HasEnded) return 0;
        var count = await source.ReadRawAsync(buffer[..(int)Math.Min((ulong)buffer.Length, remaining)], cancellationToken);
        if (count == 0) throw WireException.Ended();
        remaining -= (ulong)count;
        return count;
    }

    public async Task DrainAsync(CancellationToken cancellation) => await CopyToAsync(Null, cancellation);
}
