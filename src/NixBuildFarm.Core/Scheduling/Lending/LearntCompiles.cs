namespace NixBuildFarm.Scheduling.Lending;

/// <summary>What the last shared builds of a package have shown of its compiles.</summary>
internal sealed class LearntCompiles
{
    private const int MaxSamples = 5;

    /// <summary>
    /// A build that ends sooner by less than this part of its time, although others did such a part of its compiles, is as good without.
    /// </summary>
    private const double LeastGain = 0.02, TellingPart = 0.25;

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
            if (last.Count == 0) return default;
            var (share, seconds) = (Median.Of(last.Select(one => one.Share)), Median.Of(last.Select(one => one.Seconds)));
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
    public static CompileEstimate Of(CompileObservation seen, double reference, double speed)
    {
        if (seen.Count == 0 || !(reference > 0)) return default;
        var gainsNothing = seen.Shared >= TellingPart * seen.Count && seen.SavedSeconds * speed < LeastGain * reference;
        return new(
            gainsNothing ? 0 : Math.Clamp(seen.Seconds * speed / Estimate.ReferenceCores / reference, 0, 1),
            seen.Seconds * speed / seen.Count);
    }
}
