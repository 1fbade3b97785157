namespace NixBuildFarm.Measuring;

/// <summary>How much a builder did in a run.</summary>
/// <param name="Name">The builder.</param>
/// <param name="Jobs">How many builds it finished.</param>
/// <param name="Busy">The time of these builds, one after the other.</param>
/// <param name="Utilisation">The part of its slots × makespan that they filled: 0 to 1.</param>
public sealed record BuilderUtilisation(string Name, int Jobs, TimeSpan Busy, double Utilisation)
{
    /// <summary>Name and percentage.</summary>
    public override string ToString() => FormattableString.Invariant($"{Name} {100 * Utilisation:0} %");
}
