using NixBuildFarm.Scheduling;

namespace NixBuildFarm.History;

/// <summary>Knows nothing and keeps nothing.</summary>
public sealed class NoHistory : IRunHistory
{
    /// <summary>The only one there is.</summary>
    public static NoHistory Instance { get; } = new();

    /// <inheritdoc/>
    public IReadOnlyList<BuildObservation> Builds(IReadOnlySet<string> packages) => [];

    /// <inheritdoc/>
    public IReadOnlyList<TransferObservation> Transfers() => [];

    /// <inheritdoc/>
    public void Add(IReadOnlyCollection<BuildObservation> builds, IReadOnlyCollection<TransferObservation> transfers)
    {
        // Nobody will ask.
    }

    /// <inheritdoc/>
    public IReadOnlyList<BuilderTrouble> Troubles() => [];

    /// <inheritdoc/>
    public void Add(IReadOnlyCollection<BuilderTrouble> troubles)
    {
        // Nobody will ask.
    }

    /// <inheritdoc/>
    public IReadOnlyList<KeptCompile> KeptCompiles(string builder) => [];

    /// <inheritdoc/>
    public void Keep(string builder, IReadOnlyCollection<KeptCompile> compiles)
    {
        // Nobody will ask.
    }

    /// <inheritdoc/>
    public void Add(RunRecord run)
    {
        // Nobody will ask.
    }

    /// <inheritdoc/>
    public RunRecord? Run(string id) => null;

    /// <inheritdoc/>
    public IReadOnlyList<RunSummary> Runs(RunFilter filter) => [];

    /// <inheritdoc/>
    public void RemoveRuns(IReadOnlyCollection<string> ids)
    {
        // There are none.
    }

    /// <inheritdoc/>
    public void RemoveObservations(DateTimeOffset? before)
    {
        // There are none.
    }
}
