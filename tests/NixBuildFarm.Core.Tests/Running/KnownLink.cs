using NixBuildFarm.History;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Core.Tests.Running;

/// <summary>A history that knows how fast one link is, and nothing else.</summary>
internal sealed class KnownLink(string builder, double bytesPerSecond) : IRunHistory
{
    public IReadOnlyList<BuildObservation> Builds(IReadOnlySet<string> packages) => [];

    public IReadOnlyList<TransferObservation> Transfers() =>
        [.. new[] { true, false }.Select(toBuilder => new TransferObservation { Builder = builder, ToBuilder = toBuilder, Bytes = 1000, Seconds = 1000 / bytesPerSecond })];

    public void Add(IReadOnlyCollection<BuildObservation> builds, IReadOnlyCollection<TransferObservation> transfers)
    {
        // Nobody will ask.
    }

    public IReadOnlyList<BuilderTrouble> Troubles() => [];

    public void Add(IReadOnlyCollection<BuilderTrouble> troubles)
    {
        // Nobody will ask.
    }

    public IReadOnlyList<KeptCompile> KeptCompiles(string builder) => [];

    public void Keep(string builder, IReadOnlyCollection<KeptCompile> compiles)
    {
        // Nothing is shared.
    }

    public void Add(RunRecord run)
    {
        // Nobody will ask.
    }

    public RunRecord? Run(string id) => null;

    public IReadOnlyList<RunSummary> Runs(RunFilter filter) => [];

    public void RemoveRuns(IReadOnlyCollection<string> ids)
    {
        // There are none.
    }

    public void RemoveObservations(DateTimeOffset? before)
    {
        // What is known stays known.
    }
}
