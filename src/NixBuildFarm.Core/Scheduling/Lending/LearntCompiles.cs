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
    /// <param name="alone">Seconds that it would have taken without help.</param>
    /// <param name="cores">Its own cores.</param>
    public void Add(CompileObservation seen, double alone, int cores)
    {
        last.Enqueue(seen.Count > 0 ? new CompileEstimate(Math.Clamp(seen.Seconds / cores / alone, 0, 1), seen.Seconds / seen.Count) : default);
        if (last.Count > MaxSamples) last.Dequeue();
    }

    private static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted.Length == 0 ? 0 : sorted[sorted.Length / 2];
    }
}
