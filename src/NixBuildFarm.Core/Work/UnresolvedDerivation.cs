using NixBuildFarm.Protocol;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Work;

/// <summary>
/// A derivation whose own paths, or those of inputs, are known only after a build: content-addressed, deferred and impure ones. It is
/// resolved when its inputs have been built, and then built as any other.
/// </summary>
/// <param name="node">The derivation.</param>
/// <param name="hashes">By which stores look up its outputs.</param>
/// <param name="known">The outputs of other derivations that it uses and that are known.</param>
/// <param name="awaited">Those that are not.</param>
internal sealed class UnresolvedDerivation(
    DerivationNode node, DerivationHashes hashes, IReadOnlyList<RealisedInput> known, IReadOnlyList<UsedOutput> awaited)
{
    private IReadOnlyList<StorePath> paths = [];

    /// <summary>What it is resolved to; null: nothing yet.</summary>
    public ResolvedDerivation? Resolved { get; private set; }

    /// <summary>Resolves it: anew only if an input has another path than before.</summary>
    /// <param name="pathOf">Where an output of another derivation is.</param>
    public void Resolve(Func<StorePath, string, StorePath> pathOf)
    {
        StorePath[] now = [.. awaited.Select(used => used.Outputs.Aggregate(used.Derivation, pathOf))];
        if (Resolved is not null && now.SequenceEqual(paths)) return;
        paths = now;
        var inputs = awaited.Zip(now, (used, path) => new RealisedInput(path, used.Placeholder));
        Resolved = ResolvedDerivation.Of(node, [.. known, .. inputs]);
    }

    /// <summary>
    /// The realisations by which a store finds its outputs: of itself, and of what it is resolved to. Impure outputs have none, and
    /// outputs whose path is known beforehand need none.
    /// </summary>
    public IReadOnlyList<Realisation> RealisationsOf(ResolvedDerivation resolved, IReadOnlyDictionary<string, StorePath> outputs)
    {
        if (node.Derivation.IsImpure || node.Derivation.AreOutputPathsKnown) return [];
        var own = outputs.Select(output => new Realisation(hashes.RealisationId(node, output.Key), output.Value));
        if (resolved.Derivation.AreOutputPathsKnown) return [.. own];
        // They may be the same: then it is the one that every store understands.
        var ofResolved = outputs.Select(
            output => new Realisation(resolved.RealisationId(output.Key), output.Value) { Resolved = resolved.Path });
        return [.. ofResolved.Concat(own).DistinctBy(realisation => realisation.Id)];
    }
}
