using NixBuildFarm.Builders;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Deciding;

/// <summary>What our builds do on a machine.</summary>
/// <param name="Cores">The cores that they are counted with.</param>
/// <param name="ProcessorTime">Their processor time so far, as far as it was seen.</param>
internal sealed record OwnUse(double Cores, TimeSpan ProcessorTime)
{
    /// <summary>The builds, with what was seen of them.</summary>
    public IReadOnlyList<Attempt> Builds { get; init; } = [];

    /// <summary>The load that earlier builds have left there as it was connected; null: all the load that is there then.</summary>
    public double? LeftLoad { get; init; }

    /// <summary>The memory that is kept for a build, in bytes.</summary>
    public Func<Attempt, long> KeptFor { get; init; } = _ => 0;
}

/// <summary>
/// How many cores of a machine others keep busy: its load, and the time that its processors have worked, without what is ours of both.
/// </summary>
internal sealed class OthersLoad
{
    /// <summary>The load of a machine is an average over about as many seconds.</summary>
    private const double LoadSeconds = 60;

    /// <summary>What ended longer ago has left nothing of that average.</summary>
    public static readonly TimeSpan Past = TimeSpan.FromSeconds(5 * LoadSeconds);

    private (TimeSpan? Busy, OwnUse Own, double At)? last;
    private double ownLoad;

    /// <summary>The cores.</summary>
    public double Load { get; private set; }

    /// <summary>The machine has told what it has.</summary>
    /// <param name="reading">What.</param>
    /// <param name="own">What our builds do there.</param>
    /// <param name="now">The time, in seconds of the run.</param>
    public void Take(MachineReading reading, OwnUse own, double now)
    {
        var byTime = 0.0;
        if (last is { } before && now > before.At)
        {
            var seconds = now - before.At;
            var measured = Math.Max(0, (own.ProcessorTime - before.Own.ProcessorTime).TotalSeconds / seconds);
            // A build that began or ended meanwhile counts with all of its cores.
            var cores = Math.Max(measured, Math.Max(own.Cores, before.Own.Cores));
            var kept = Math.Exp(-seconds / LoadSeconds);
            ownLoad = ownLoad * kept + cores * (1 - kept);
            if (reading.ProcessorTime is { } busy && before.Busy is { } earlier) byTime = (busy - earlier).TotalSeconds / seconds - cores;
        }
        else if (last is null)
        {
            ownLoad = Math.Min(reading.Load ?? 0, own.LeftLoad ?? double.PositiveInfinity);
        }
        last = (reading.ProcessorTime, own, now);
        Load = Math.Max(0, Math.Max((reading.Load ?? 0) - ownLoad, byTime));
    }

    /// <summary>The load that builds have left which ended not long ago.</summary>
    /// <param name="builds">The builds.</param>
    /// <param name="now">The time.</param>
    public static double LeftBy(IEnumerable<BuildObservation> builds, DateTimeOffset now) => builds.Sum(build =>
    {
        var cores = build is { ProcessorSeconds: { } busy, Seconds: > 0 } ? busy / build.Seconds : build.Cores;
        var age = Math.Max(0, (now - build.At).TotalSeconds);
        return cores * (1 - Math.Exp(-build.Seconds / LoadSeconds)) * Math.Exp(-age / LoadSeconds);
    });

    /// <summary>The machine tells nothing more.</summary>
    public void Forget() => (last, ownLoad, Load) = (null, 0, 0);
}
