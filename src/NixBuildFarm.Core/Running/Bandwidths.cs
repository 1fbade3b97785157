using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Running;

/// <summary>
/// What the link of each builder can carry, by the transfers of earlier runs: the median of the newest, so that one that was disturbed does
/// no harm.
/// </summary>
internal sealed class Bandwidths(IEnumerable<TransferObservation> transfers)
{
    /// <summary>Older ones may have gone over another network.</summary>
    private const int Newest = 9;

    private readonly Dictionary<(string Builder, bool ToBuilder), double> bytesPerSecond = transfers
        .Where(t => t is { Bytes: > 0, Seconds: > 0 })
        .GroupBy(t => (t.Builder, t.ToBuilder))
        .ToDictionary(link => link.Key, link => Median([.. link.TakeLast(Newest).Select(t => t.Bytes / t.Seconds)]));

    /// <summary>A builder with the bandwidths that are known; the local one sends nothing to itself.</summary>
    public FarmBuilder ApplyTo(FarmBuilder builder) => builder.IsLocal ? builder : builder with
    {
        DownloadBandwidth = bytesPerSecond.GetValueOrDefault((builder.Name, true), builder.DownloadBandwidth),
        UploadBandwidth = bytesPerSecond.GetValueOrDefault((builder.Name, false), builder.UploadBandwidth),
    };

    private static double Median(double[] values)
    {
        Array.Sort(values);
        return (values[(values.Length - 1) / 2] + values[values.Length / 2]) / 2;
    }
}
