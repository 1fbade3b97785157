using NixBuildFarm.History;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.Core.Tests.Running;

/// <summary>A history of the troubles of builders, and nothing else.</summary>
internal sealed class KnownTroubles(params IEnumerable<BuilderTrouble> known) : IRunHistory
{
    private readonly Lock gate = new();
    private readonly Dictionary<string, BuilderTrouble> troubles = known.ToDictionary(trouble => trouble.Builder);

    public IReadOnlyList<BuilderTrouble> Troubles()
    {
        lock (gate) return [.. troubles.Values];
    }

    public void Add(IReadOnlyCollection<BuilderTrouble> troubles)
    {
        lock (gate)
        {
            foreach (var trouble in troubles)
            {
                this.troubles.Remove(trouble.Builder);
                if (trouble.Openings > 0) this.troubles.Add(trouble.Builder, trouble);
            }
        }
    }

    public IReadOnlyList<BuildObservation> Builds(IReadOnlySet<string> packages) => [];

    public IReadOnlyList<TransferObservation> Transfers() => [];

    public void Add(IReadOnlyCollection<BuildObservation> builds, IReadOnlyCollection<TransferObservation> transfers)
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
        // Nobody asks.
    }
}
