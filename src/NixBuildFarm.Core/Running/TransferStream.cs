using NixBuildFarm.Protocol.Wire;

namespace NixBuildFarm.Running;

/// <summary>Passes on what a transfer sends, piece by piece, when it is its turn.</summary>
internal sealed class TransferStream(Stream destination, Transfer transfer, Action<int>? sent) : AsyncStream
{
    /// <summary>Whether it was the destination that failed.</summary>
    public bool HasFailed { get; private set; }

    public override bool CanWrite => true;

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        try
        {
            await transfer.SendAsync(destination, buffer, cancellationToken);
        }
        catch
        {
            HasFailed = true;
            throw;
        }
        sent?.Invoke(buffer.Length);
    }
}
