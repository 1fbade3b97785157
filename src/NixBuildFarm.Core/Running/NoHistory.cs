using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Running;

/// <summary>Knows nothing and keeps nothing.</summary>
public sealed class NoHistory : IBuildHistory
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
}
