using NixBuildFarm.Platform;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Supplying;

/// <summary>
/// Measures the bandwidth of each builder's link. Concurrent transfers share the link, so they are measured together: from the beginning of
/// the first to the end of the last. Safe for concurrent use.
/// </summary>
internal sealed class LinkMeter
{
    /// <summary>Less than this tells of delays, not of bandwidth.</summary>
    public const long LeastBytes = 4_000_000;

    private readonly RunClock clock;
    private readonly object gate = new();
    private readonly Dictionary<(string Builder, bool ToBuilder), Busy> links = [];

    /// <summary>Makes a meter that has measured nothing.</summary>
    public LinkMeter(RunClock clock, Action<TransferObservation> measured)
    {
        this.clock = clock;
        Measured = measured;
    }

    /// <summary>Receives the measurements, one after the other.</summary>
    public Action<TransferObservation> Measured { get; set; }

    /// <summary>A transfer begins.</summary>
    public Measurement Begin(string builder, bool toBuilder)
    {
        lock (gate)
        {
            if (!links.TryGetValue((builder, toBuilder), out var busy)) links.Add((builder, toBuilder), busy = new() { Since = clock.Now });
            busy.Transfers++;
            return new(this, builder, toBuilder);
        }
    }

    private void End(string builder, bool toBuilder, long? bytes)
    {
        TransferObservation seen;
        lock (gate)
        {
            var busy = links[(builder, toBuilder)];
            busy.Bytes += bytes ?? 0;
            busy.IsDisturbed |= bytes is null;
            if (--busy.Transfers > 0) return;
            links.Remove((builder, toBuilder));
            if (busy.IsDisturbed || busy.Bytes < LeastBytes) return;
            seen = new()
            {
                Builder = builder,
                ToBuilder = toBuilder,
                Bytes = busy.Bytes,
                Seconds = Math.Max(0.001, clock.Now - busy.Since),
                At = clock.UtcNow,
            };
        }
        Measured(seen);
    }

    /// <summary>
    /// A transfer that is under way. If it is disposed of before it is complete, it has failed, and the measurement is dropped.
    /// </summary>
    public sealed class Measurement(LinkMeter meter, string builder, bool toBuilder) : IDisposable
    {
        private long? bytes;

        /// <summary>All of it has arrived.</summary>
        public void Complete(long total) => bytes = total;

        /// <inheritdoc/>
        public void Dispose() => meter.End(builder, toBuilder, bytes);
    }

    private sealed class Busy
    {
        public required double Since { get; init; }

        public int Transfers { get; set; }

        public long Bytes { get; set; }

        public bool IsDisturbed { get; set; }
    }
}
