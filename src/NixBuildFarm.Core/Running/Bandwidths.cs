using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Running;

/// <summary>
/// What the link of each builder can carry, by the transfers of earlier runs and of this one: the median of the newest, so that one that
/// was disturbed does no harm. Safe for concurrent use.
/// </summary>
internal sealed class Bandwidths
{
    /// <summary>Older ones may have gone over another network.</summary>
    private const int Newest = 9;

    /// <summary>
    /// Bytes per second below which SSH's compression pays: it packs some 25 MB of programs a second into a third. On faster links it is
    /// what holds the transfer up.
    /// </summary>
    private const double Slow = 8e6;

    /// <summary>Bytes per second that a link is taken for that nothing is known of: a gigabit network.</summary>
    private const double Assumed = 100e6;

    private readonly object gate = new();
    private readonly Dictionary<(string Builder, bool ToBuilder), Queue<double>> newest = [];

    /// <summary>Learns from the transfers of earlier runs, the oldest first.</summary>
    public Bandwidths(IEnumerable<TransferObservation> transfers)
    {
        foreach (var transfer in transfers) Learn(transfer);
    }

    /// <summary>Learns from a transfer.</summary>
    public void Learn(TransferObservation transfer)
    {
        if (transfer is not { Bytes: > 0, Seconds: > 0 }) return;
        lock (gate)
        {
            var link = (transfer.Builder, transfer.ToBuilder);
            if (!newest.TryGetValue(link, out var speeds)) newest.Add(link, speeds = new());
            if (speeds.Count == Newest) speeds.Dequeue();
            speeds.Enqueue(transfer.Bytes / transfer.Seconds);
        }
    }

    /// <summary>
    /// A builder with the bandwidths that are known or assumed: were moving free, the scheduler would not care where inputs are. The local
    /// one sends nothing to itself.
    /// </summary>
    public FarmBuilder ApplyTo(FarmBuilder builder) => builder.IsLocal ? builder : builder with
    {
        DownloadBandwidth = Find(builder.Name, toBuilder: true) ?? Math.Min(Assumed, builder.DownloadBandwidth),
        UploadBandwidth = Find(builder.Name, toBuilder: false) ?? Math.Min(Assumed, builder.UploadBandwidth),
    };

    /// <summary>
    /// What is known of the link of a builder: bytes per second that come to it, and that it sends; null where nothing is.
    /// </summary>
    public (double? Download, double? Upload) Of(string builder) => (Find(builder, toBuilder: true), Find(builder, toBuilder: false));

    /// <summary>Whether compressing what goes to a builder, or comes from it, pays.</summary>
    public bool IsSlow(string builder) => Find(builder, toBuilder: true) < Slow || Find(builder, toBuilder: false) < Slow;

    private double? Find(string builder, bool toBuilder)
    {
        lock (gate) return newest.TryGetValue((builder, toBuilder), out var speeds) ? Median.Of(speeds) : null;
    }
}
