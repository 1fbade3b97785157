using NixBuildFarm.Builders;
using NixBuildFarm.Platform;

namespace NixBuildFarm.Supplying;

/// <summary>The purpose of a transfer, in ascending order of urgency.</summary>
internal enum TransferPurpose
{
    /// <summary>A copy back of an output that nobody waits for.</summary>
    CopyBack,

    /// <summary>Inputs of a build that will start later.</summary>
    Prefetch,

    /// <summary>A build, or a person, waits for it.</summary>
    Needed,
}

/// <summary>The urgency of a transfer: its purpose, and among equals the work that waits for it.</summary>
/// <param name="Purpose">The purpose.</param>
/// <param name="Rank">The upward rank of the job that needs it, in seconds: highest on the critical path.</param>
internal sealed record Urgency(TransferPurpose Purpose, double Rank = 0)
{
    /// <summary>Whether it matters more than another.</summary>
    public bool IsAbove(Urgency other) => (Purpose, Rank).CompareTo((other.Purpose, other.Rank)) > 0;
}

/// <summary>
/// Says which of the transfers under way sends its next piece. Over one link the most urgent goes first, the others go
/// on at a trickle, and equals share it. All that leaves this machine stays within the upload limit; it is then one link.
/// Safe for concurrent use.
/// </summary>
/// <param name="time">The clock.</param>
/// <param name="maxUpload">Bytes per second that may leave this machine in all; null: no limit.</param>
internal sealed class TransferScheduler(TimeProvider time, long? maxUpload)
{
    /// <summary>A transfer that has sent nothing for this long leaves the link to others.</summary>
    public static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(50);

    /// <summary>A piece that has waited this long for more urgent ones is sent: a connection must not seem dead.</summary>
    public static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(1);

    /// <summary>An unused limit is saved up for this long.</summary>
    public static readonly TimeSpan Burst = TimeSpan.FromMilliseconds(250);

    /// <summary>The clock.</summary>
    public TimeProvider Time => time;

    private readonly object gate = new();
    private readonly List<Transfer> underWay = [];
    private readonly long beginning = time.GetTimestamp();
    private readonly Pace? uploadLimit = maxUpload is { } limit ? new(limit, Burst, time) : null;

    /// <summary>A transfer to a builder, or to the local store, begins; it ends when it is disposed of.</summary>
    public Transfer Begin(NixBuilder to, Urgency urgency)
    {
        var pace = to.IsLocal ? null : uploadLimit;
        var transfer = new Transfer(this, pace is null ? to.Name : "every builder", pace, urgency);
        lock (gate) underWay.Add(transfer);
        return transfer;
    }

    /// <summary>Pays for bytes that leave this machine for a builder beside the transfers, and waits until they may.</summary>
    public async ValueTask PayAsync(NixBuilder to, long bytes, CancellationToken cancellation)
    {
        if (to.IsLocal || uploadLimit is null) return;
        for (var left = bytes; left > 0; left -= int.MaxValue)
        {
            await uploadLimit.WaitAsync((int)Math.Min(left, int.MaxValue), cancellation);
        }
    }

    internal void End(Transfer transfer)
    {
        lock (gate) underWay.Remove(transfer);
    }

    internal void Raise(Transfer transfer, Urgency urgency)
    {
        lock (gate)
        {
            if (urgency.IsAbove(transfer.Urgency)) transfer.Urgency = urgency;
        }
    }

    internal async ValueTask SendAsync(Transfer transfer, Stream destination, ReadOnlyMemory<byte> piece, CancellationToken cancellation)
    {
        var since = Now;
        while (MustWait(transfer) && Now - since < LongestWait)
        {
            transfer.WasHeldBack = true;
            await Task.Delay(Pause, time, cancellation);
        }
        lock (gate) transfer.IsSending = true;
        try
        {
            if (transfer.Pace is { } pace && await pace.WaitAsync(piece.Length, cancellation)) transfer.WasHeldBack = true;
            await destination.WriteAsync(piece, cancellation);
        }
        finally
        {
            lock (gate)
            {
                transfer.IsSending = false;
                transfer.LastSent = Now;
            }
        }
    }

    private TimeSpan Now => time.GetElapsedTime(beginning);

    private bool MustWait(Transfer transfer)
    {
        lock (gate)
        {
            var now = Now;
            return underWay.Exists(other => other.Link == transfer.Link
                && other.Urgency.IsAbove(transfer.Urgency)
                && (other.IsSending || now - other.LastSent < Pause));
        }
    }
}

/// <summary>One transfer that is under way.</summary>
internal sealed class Transfer(TransferScheduler scheduler, string link, Pace? pace, Urgency urgency) : IDisposable
{
    /// <summary>How much it matters now.</summary>
    public Urgency Urgency { get; internal set; } = urgency;

    /// <summary>Whether it was slower than the link, because of the limit or because others went first.</summary>
    public bool WasHeldBack { get; internal set; }

    /// <summary>The clock.</summary>
    public TimeProvider Time => scheduler.Time;

    internal string Link { get; } = link;

    /// <summary>The limit of the link; null: none.</summary>
    internal Pace? Pace { get; } = pace;

    internal bool IsSending { get; set; }

    internal TimeSpan? LastSent { get; set; }

    /// <summary>Something more urgent waits for this transfer, which therefore is as urgent.</summary>
    public void Raise(Urgency other) => scheduler.Raise(this, other);

    /// <summary>Sends a piece when it is its turn.</summary>
    public ValueTask SendAsync(Stream destination, ReadOnlyMemory<byte> piece, CancellationToken cancellation) =>
        scheduler.SendAsync(this, destination, piece, cancellation);

    /// <summary>It has ended.</summary>
    public void Dispose() => scheduler.End(this);
}
