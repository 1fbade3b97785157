namespace NixBuildFarm.Observing;

/// <summary>A derivation that a run is to build or fetch.</summary>
/// <param name="Path">Its path.</param>
/// <param name="Name">Its name.</param>
/// <param name="System">The system that it builds on.</param>
public sealed record FoundDerivation(string Path, string Name, string System)
{
    /// <summary>Whether it is fetched from a substituter.</summary>
    public bool IsFetched { get; init; }

    /// <summary>Whether the user asked for it.</summary>
    public bool IsRequested { get; init; }

    /// <summary>Which of the derivations of the run it needs, by their places among them.</summary>
    public IReadOnlyList<int> Needs { get; init; } = [];

    /// <summary>How many seconds its build takes on a builder of speed 1; null where that is not known yet.</summary>
    public double? ExpectedSeconds { get; init; }

    /// <summary>Whether that is a guess.</summary>
    public bool IsGuess { get; init; }
}
