namespace NixBuildFarm.Measuring;

/// <summary>A build of the critical path: the chain of builds, each of which needs the one before, that takes longest in all.</summary>
/// <param name="Name">The derivation's name.</param>
/// <param name="Builder">Where it ran.</param>
/// <param name="Start">When it began, since the run did.</param>
/// <param name="Duration">How long it took there.</param>
public sealed record CriticalPathStep(string Name, string Builder, TimeSpan Start, TimeSpan Duration)
{
    /// <summary>The name.</summary>
    public override string ToString() => Name;
}
