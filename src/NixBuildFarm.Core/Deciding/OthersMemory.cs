using NixBuildFarm.Builders;

namespace NixBuildFarm.Deciding;

/// <summary>
/// How much memory of a machine others have than the builds of the run. It rises at once and falls slowly, and what is counted changes only
/// by a good part of the machine: so it does not go to and fro.
/// </summary>
internal sealed class OthersMemory
{
    /// <summary>Of what has been given back, about a third still counts after as many seconds.</summary>
    private const double FallSeconds = 60;

    /// <summary>
    /// What is counted is a whole number of these parts of the machine's memory, and changes by one at least: so alike machines stay alike.
    /// </summary>
    private const int Parts = 16;

    private IReadOnlyList<Attempt> before = [];
    private double level;
    private double at = double.NegativeInfinity;

    /// <summary>The bytes that are counted.</summary>
    public long Counted { get; private set; }

    /// <summary>The machine has told what it has.</summary>
    /// <param name="reading">What.</param>
    /// <param name="here">The builds of the run that go on there, with what was seen of them.</param>
    /// <param name="keptFor">The memory that is kept for a build, in bytes.</param>
    /// <param name="now">The time, in seconds of the run.</param>
    public void Take(MachineReading reading, IReadOnlyList<Attempt> here, Func<Attempt, long> keptFor, double now)
    {
        // What ended since the last reading may be in this one.
        var ours = here.Union(before).Sum(attempt => (double)(attempt.SeenAt == now && attempt.Memory is { } seen && here.Contains(attempt)
            ? seen
            : Math.Max(keptFor(attempt), attempt.PeakMemory ?? 0)));
        before = here;
        if (reading is not { Memory: > 0 and var all, MemoryAvailable: { } available }) return;
        var others = Math.Clamp((double)all - available - ours, 0, all);
        var kept = Math.Exp(-(now - at) / FallSeconds);
        (level, at) = (others >= level ? others : level * kept + others * (1 - kept), now);
        var part = (double)all / Parts;
        if (Math.Abs(level - Counted) >= part) Counted = (long)(Math.Round(level / part) * part);
    }

    /// <summary>The machine tells nothing more.</summary>
    public void Forget() => (before, level, at, Counted) = ([], 0, double.NegativeInfinity, 0);
}
