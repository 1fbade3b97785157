namespace NixBuildFarm.Scheduling.Lending;

/// <summary>What the last shared builds of a package have shown of its compiles.</summary>
internal sealed class LearntCompiles
{
    private const int MaxSamples = 5;

    /// <summary>A build of which less than this part of its time passes in compiles gains nothing worth while, however many help.</summary>
    private const double LeastShare = 0.03;

    /// <summary>To read what a shorter compile needs costs about as much as the compile.</summary>
    private const double LeastSeconds = 0.2;

    private readonly Queue<CompileEstimate> last = new();

    /// <summary>The medians. A share of 0: the package gains nothing.</summary>
    public CompileEstimate Summary
    {
        get
        {
            var (share, seconds) = (Median(last.Select(one => one.Share)), Median(last.Select(one => one.Seconds)));
            return new CompileEstimate(share < LeastShare || seconds < LeastSeconds ? 0 : share, seconds);
        }
    }

    /// <summary>Takes in a build.</summary>
    /// <param name="seen">What it told.</param>
    public void Add(CompileEstimate seen)
    {
        last.Enqueue(seen);
        if (last.Count > MaxSamples) last.Dequeue();
    }

    /// <summary>What one build has shown.</summary>
    /// <param name="seen">What it told.</param>
    /// <param name="reference">What it would have taken without help at speed 1.0 on <see cref="Estimate.ReferenceCores"/> cores.</param>
    /// <param name="speed">The speed of its builder.</param>
    public static CompileEstimate Of(CompileObservation seen, double reference, double speed) =>
        seen.Count == 0 || !(reference > 0) ? default
        : new(Math.Clamp(seen.Seconds * speed / Estimate.ReferenceCores / reference, 0, 1), seen.Seconds * speed / seen.Count);

    private static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted.Length == 0 ? 0 : sorted[sorted.Length / 2];
    }
}
