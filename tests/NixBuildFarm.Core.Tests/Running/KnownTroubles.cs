using NixBuildFarm.History;

namespace NixBuildFarm.Core.Tests.Running;

/// <summary>A history of the troubles of builders, and nothing else.</summary>
internal sealed class KnownTroubles(params IEnumerable<BuilderTrouble> known) : NoHistory
{
    private readonly Lock gate = new();
    private readonly Dictionary<string, BuilderTrouble> troubles = known.ToDictionary(trouble => trouble.Builder);

    public override IReadOnlyList<BuilderTrouble> Troubles()
    {
        lock (gate) return [.. troubles.Values];
    }

    public override void Add(IReadOnlyCollection<BuilderTrouble> troubles)
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
}
