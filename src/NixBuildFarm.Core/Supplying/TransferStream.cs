using NixBuildFarm.Platform;
using NixBuildFarm.Protocol.Wire;

namespace NixBuildFarm.Supplying;

/// <summary>Passes on the bytes of a transfer, piece by piece, when it is its turn.</summary>
/// <param name="destination">Where it goes.</param>
/// <param name="transfer">Knows when it is its turn.</param>
/// <param name="giving">Waits for the next piece.</param>
/// <param name="taking">Waits until a piece is taken.</param>
/// <param name="sent">Is called with the size of each piece that was sent.</param>
internal sealed class TransferStream(
    Stream destination, Transfer transfer, SilenceWatch giving, SilenceWatch taking, Action<int>? sent) : AsyncStream
{
    /// <summary>Whether it was the destination that failed.</summary>
    public bool HasFailed { get; private set; }

    public override bool CanWrite => true;

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        giving.Hold();
        taking.Resume();
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
        taking.Hold();
        giving.Resume();
    }
}
