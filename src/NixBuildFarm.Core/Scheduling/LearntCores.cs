namespace NixBuildFarm.Scheduling;

/// <summary>How well the last builds of a package have used their cores.</summary>
internal sealed class LearntCores
{
    private const int MaxSamples = 9;

    /// <summary>Shorter builds tell of disks and starts, not of cores.</summary>
    private const double LeastTellingSeconds = 5;

    private readonly Queue<double> last = new();

    /// <summary>The median of what was seen, among which the typical part counts as seen once: one build does not prove much.</summary>
    public double SerialPart => Median.Of([Estimate.TypicalSerialPart, .. last]);

    /// <summary>Takes in a build.</summary>
    /// <param name="serialPart">What it has shown.</param>
    public void Add(double serialPart)
    {
        last.Enqueue(serialPart);
        if (last.Count > MaxSamples) last.Dequeue();
    }

    /// <summary>
    /// The serial part s that a build has shown; null: it shows none. By Amdahl's law, processor time ÷ wall time on n cores is
    /// 1 ÷ (s + (1 − s) ÷ n).
    /// </summary>
    public static double? Of(BuildObservation build)
    {
        if (build is not { EnableParallelBuilding: true, Cores: > 1, Seconds: >= LeastTellingSeconds, ProcessorSeconds: > 0 and var work })
        {
            return null;
        }
        // What others compile is not in its processor time.
        if (build.Compiles is { Shared: > 0 }) return null;
        return Math.Clamp((build.Cores * build.Seconds / work - 1) / (build.Cores - 1), 0, 1);
    }
}
