using System.Runtime.InteropServices;

namespace NixBuildFarm.Scheduling;

/// <summary>A phase of a build whose beginning tells how much is left.</summary>
internal enum TellingPhase
{
    /// <summary>Its own tests run: <c>checkPhase</c>.</summary>
    Check,

    /// <summary>What it has made is installed: <c>installPhase</c>.</summary>
    Install,
}

/// <summary>After what part of a build's time a phase begins.</summary>
/// <param name="Share">The part, above 0 and at most 1.</param>
/// <param name="Spread">How far the next one may be off, as a deviation of the logarithm.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct PhaseBeginning(double Share, double Spread)
{
    /// <summary>The duration that is expected of a build that has come to this phase, in place of what was expected before.</summary>
    /// <param name="estimate">What was expected.</param>
    /// <param name="elapsed">How long it has run, in reference seconds.</param>
    public Estimate Of(Estimate estimate, double elapsed) =>
        estimate with { Seconds = elapsed / Share, Spread = Spread, CommonSpread = 0 };
}

/// <summary>When the phases of the last builds of a package have begun.</summary>
internal sealed class LearntPhases
{
    private const int MaxSamples = 9;

    /// <summary>A phase that began sooner tells nothing of the rest.</summary>
    private const double LeastShare = 0.02;

    /// <summary>Shorter builds tell of disks and starts.</summary>
    private const double LeastTellingSeconds = 5;

    private readonly Dictionary<TellingPhase, Queue<double>> last = [];

    /// <summary>Takes in a build.</summary>
    public void Add(BuildObservation build)
    {
        if (build.Seconds < LeastTellingSeconds) return;
        Add(TellingPhase.Check, build.CheckAt);
        Add(TellingPhase.Install, build.InstallAt);
    }

    /// <summary>When a phase begins; null: no build has shown that.</summary>
    public PhaseBeginning? Of(TellingPhase phase) => last.TryGetValue(phase, out var samples) && SampleSummary.Of(samples) is var seen
        ? new(Math.Min(1, seen.Median), seen.Spread)
        : null;

    private void Add(TellingPhase phase, double? share)
    {
        if (share is not (>= LeastShare and <= 1)) return;
        if (!last.TryGetValue(phase, out var samples)) last.Add(phase, samples = new());
        samples.Enqueue(share.Value);
        if (samples.Count > MaxSamples) samples.Dequeue();
    }
}
