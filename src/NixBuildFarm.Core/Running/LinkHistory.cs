using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Running;

/// <summary>What is known of the links of builders: from earlier runs, as soon as those have been read, and from this one.</summary>
/// <param name="reading">Reads what earlier runs have measured.</param>
internal sealed class LinkHistory(Task<Bandwidths> reading)
{
    private readonly object gate = new();
    private readonly HashSet<string> compressed = [];

    /// <summary>
    /// Learns from a transfer. Not from one that is compressed because the link is slow: it would seem faster than it is, and the next
    /// would not be compressed.
    /// </summary>
    /// <returns>Whether it is worth keeping.</returns>
    public bool Learn(TransferObservation transfer)
    {
        lock (gate)
        {
            if (compressed.Contains(transfer.Builder)) return false;
        }
        if (reading.IsCompletedSuccessfully) reading.Result.Learn(transfer);
        return true;
    }

    /// <summary>Whether a link is known to be so slow that compressing pays. Who asks compresses from then on.</summary>
    public bool IsSlow(string builder)
    {
        var isSlow = reading.IsCompletedSuccessfully && reading.Result.IsSlow(builder);
        if (!isSlow) return false;
        lock (gate) compressed.Add(builder);
        return true;
    }

    /// <summary>Bytes per second that come to a builder, and that it sends; null where nothing is known.</summary>
    public (double? Download, double? Upload) Of(string builder) =>
        reading.IsCompletedSuccessfully ? reading.Result.Of(builder) : (null, null);
}
