using System.Globalization;
using NixBuildFarm.Builders;

namespace NixBuildFarm.Deciding;

/// <summary>
/// Whether the machine of one builder takes new builds, by what it tells. A limit that is crossed holds it, and a stricter one releases it,
/// so that it does not go to and fro.
/// </summary>
/// <param name="limits">The limits.</param>
internal sealed class MachineAdmission(AdmissionLimits limits)
{
    private const double WayBack = 0.7;
    private const int MoreSpace = 2;

    private readonly OthersLoad others = new();
    private readonly OthersMemory othersMemory = new();
    private double heldSince;
    private double? quietSince;

    /// <summary>Why it takes no new builds.</summary>
    public HoldCause Cause { get; private set; }

    /// <summary>The same for the user; null: it takes them.</summary>
    public string? Reason { get; private set; }

    /// <summary>Bytes of its memory that others have.</summary>
    public long OthersMemory => othersMemory.Counted;

    /// <summary>Bytes that builds may write to its store before it is as good as full; null: it does not tell.</summary>
    public long? FreeSpace { get; private set; }

    /// <summary>The machine has told what it has.</summary>
    /// <param name="reading">What.</param>
    /// <param name="own">What our builds do there.</param>
    /// <param name="now">The time, in seconds of the run.</param>
    public void Take(MachineReading reading, OwnUse own, double now)
    {
        othersMemory.Take(reading, own.Builds, own.KeptFor, now);
        FreeSpace = reading.StoreFree is { } free ? Math.Max(0, free - limits.SpaceOf(reading.StoreSize)) : null;
        others.Take(reading, own, now);
        var (cause, reason) = Judge(reading, now);
        if (cause == HoldCause.None)
        {
            Release();
            return;
        }
        if (Cause == HoldCause.None || own.Cores > 0) heldSince = now;
        (Cause, Reason) = (cause, reason);
        // Once in a while it may show that it builds all the same.
        if (cause != HoldCause.Owner && now - heldSince > AdmissionLimits.LongestHold.TotalSeconds) Release();
    }

    /// <summary>A build has found no space there, whatever was told before.</summary>
    /// <param name="now">The time, in seconds of the run.</param>
    public void TakeFull(double now)
    {
        if (Cause == HoldCause.None) heldSince = now;
        (Cause, Reason) = (HoldCause.Space, "a build found no space left there");
    }

    /// <summary>The machine tells nothing more.</summary>
    public void Forget()
    {
        others.Forget();
        othersMemory.Forget();
        FreeSpace = null;
        quietSince = null;
        Release();
    }

    private void Release() => (Cause, Reason) = (HoldCause.None, null);

    private (HoldCause Cause, string? Reason) Judge(MachineReading reading, double now)
    {
        if (limits.IsIdleOnly && IsInUse(now)) return (HoldCause.Owner, "its owner uses it");
        if ((Shortage(reading.StoreFree, reading.StoreSize) ?? Shortage(reading.BuildFree, reading.BuildSize)) is { } free)
        {
            return (HoldCause.Space, Text($"only {free >> 20} MiB of its disk are free"));
        }
        var memory = Cause == HoldCause.Memory ? AdmissionLimits.EnoughMemory : AdmissionLimits.LeastMemory;
        if (reading is { Memory: > 0 and var all, MemoryAvailable: { } available } && available < all * memory)
        {
            return (HoldCause.Memory, Text($"only {available >> 20} MiB of its memory are available"));
        }
        if (reading.MemoryPressure > (Cause == HoldCause.Pressure ? AdmissionLimits.LittlePressure : AdmissionLimits.MostPressure))
        {
            return (HoldCause.Pressure, Text($"its programs wait for memory {reading.MemoryPressure:0} % of the time"));
        }
        var load = limits.MaxLoad * (Cause == HoldCause.Load ? WayBack : 1);
        if (reading.Cores is { } cores && others.Load > load * cores)
        {
            return (HoldCause.Load, Text($"others use it, with a load of {others.Load:0.0} on {cores} cores"));
        }
        return (HoldCause.None, null);
    }

    /// <summary>Whether its owner is there, or was a short while ago.</summary>
    private bool IsInUse(double now)
    {
        if (others.Load > AdmissionLimits.OwnersLoad * (Cause == HoldCause.Owner ? WayBack : 1))
        {
            quietSince = null;
            return true;
        }
        quietSince ??= now;
        return Cause == HoldCause.Owner && now - quietSince < AdmissionLimits.OwnersAbsence.TotalSeconds;
    }

    /// <summary>What is free of a file system that has too little; null: it has enough, or does not tell.</summary>
    private long? Shortage(long? free, long? size) =>
        free is { } left && left < limits.SpaceOf(size) * (Cause == HoldCause.Space ? MoreSpace : 1) ? left : null;

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
