using NixBuildFarm.Scheduling;

namespace NixBuildFarm.History;

/// <summary>Knows nothing and keeps nothing.</summary>
public class NoHistory : IRunHistory
{
    /// <summary>The only one there is.</summary>
    public static NoHistory Instance { get; } = new();

    /// <inheritdoc/>
    public virtual IReadOnlyList<BuildObservation> Builds(IReadOnlySet<string> packages) => [];

    /// <inheritdoc/>
    public virtual IReadOnlyList<TransferObservation> Transfers() => [];

    /// <inheritdoc/>
    public void Add(IReadOnlyCollection<BuildObservation> builds, IReadOnlyCollection<TransferObservation> transfers)
    {
        // Nothing is stored.
    }

    /// <inheritdoc/>
    public virtual int Import(IReadOnlyCollection<BuildObservation> builds) => 0;

    /// <inheritdoc/>
    public virtual IReadOnlyList<BuildObservation> BuildsSince(DateTimeOffset moment) => [];

    /// <inheritdoc/>
    public virtual DateTimeOffset? AskedAt(string source) => null;

    /// <inheritdoc/>
    public virtual void SetAsked(string source, DateTimeOffset at)
    {
        // Nothing is stored.
    }

    /// <inheritdoc/>
    public virtual IReadOnlyList<BuilderTrouble> Troubles() => [];

    /// <inheritdoc/>
    public virtual void Add(IReadOnlyCollection<BuilderTrouble> troubles)
    {
        // Nothing is stored.
    }

    /// <inheritdoc/>
    public virtual IReadOnlyList<KeptCompile> KeptCompiles(string builder) => [];

    /// <inheritdoc/>
    public virtual void Keep(string builder, IReadOnlyCollection<KeptCompile> compiles)
    {
        // Nothing is stored.
    }

    /// <inheritdoc/>
    public virtual void Forget(string builder, IReadOnlyCollection<string> paths)
    {
        // Nothing is stored.
    }

    /// <inheritdoc/>
    public void Add(RunRecord run)
    {
        // Nothing is stored.
    }

    /// <inheritdoc/>
    public RunRecord? Run(string id) => null;

    /// <inheritdoc/>
    public IReadOnlyList<NixBuildRun> Runs(RunFilter filter) => [];

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
