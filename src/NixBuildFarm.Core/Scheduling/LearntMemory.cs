namespace NixBuildFarm.Scheduling;

/// <summary>What the last builds of a package have shown of the memory that it takes.</summary>
internal sealed class LearntMemory
{
    /// <summary>As many builds of a system are remembered: what is older speaks of other versions.</summary>
    private const int MaxSamples = 15;

    /// <summary>What another system shows is worth less.</summary>
    private const double OtherSystemSpread = 0.25;

    /// <summary>A build that was killed takes more than it had. How much more, nobody knows.</summary>
    private const double KilledFactor = 1.5, KilledSpread = 0.4;

    private readonly Dictionary<string, Queue<(double Bytes, bool WasKilled)>> bySystem = [];

    /// <summary>Takes in a build.</summary>
    /// <param name="system">The platform it was built for.</param>
    /// <param name="peak">The most memory that it had at a time, in bytes; above zero.</param>
    /// <param name="wasKilled">Whether it was killed when memory ran out.</param>
    public void Add(string system, long peak, bool wasKilled)
    {
        if (!bySystem.TryGetValue(system, out var samples)) bySystem.Add(system, samples = new());
        samples.Enqueue((wasKilled ? KilledFactor * peak : peak, wasKilled));
        if (samples.Count > MaxSamples) samples.Dequeue();
    }

    /// <summary>An estimate with what is known here in place of a guess; as it is where nothing is known.</summary>
    public Estimate Improve(Estimate guess, string system)
    {
        if (bySystem.TryGetValue(system, out var own)) return Improve(guess, own);
        // The largest: too much kept costs time, too little costs a build.
        var others = bySystem.Values.Select(samples => Improve(guess, samples)).ToArray();
        if (others.Length == 0) return guess;
        var largest = others.MaxBy(other => other.MemoryNeed);
        return largest with { MemorySpread = largest.MemorySpread + OtherSystemSpread };
    }

    private static Estimate Improve(Estimate guess, Queue<(double Bytes, bool WasKilled)> samples)
    {
        var (memory, spread) = SampleSummary.Of(samples.Select(sample => sample.Bytes));
        var (newest, wasKilled) = samples.Last();
        // The next try needs more, whatever those before have shown; what a later one shows counts again like all others.
        if (wasKilled) (memory, spread) = (Math.Max(memory, newest), Math.Max(spread, KilledSpread));
        // Who saw no build to its end may have seen little of the last one: what was expected stays expected.
        if (samples.All(sample => sample.WasKilled))
        {
            (memory, spread) = (Math.Max(memory, guess.Memory), Math.Max(spread, guess.MemorySpread));
        }
        return guess with { Memory = (long)Math.Min(memory, Estimate.MostMemory), MemorySpread = spread };
    }
}
