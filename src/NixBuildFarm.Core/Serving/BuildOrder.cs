using NixBuildFarm.Evaluation;
using NixBuildFarm.History;
using NixBuildFarm.Observing;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Serving;

/// <summary>What a client wants built.</summary>
/// <param name="Derivations">The derivations, with the outputs that are wanted.</param>
/// <param name="Source">Where the derivations are read from.</param>
/// <param name="Settings">What the client has set.</param>
internal sealed record BuildOrder(IReadOnlyList<RequestedDerivation> Derivations, IDerivationSource Source, ClientSettings Settings);

/// <summary>Builds what clients want, on the farm. Safe for concurrent use.</summary>
internal interface IBuildService
{
    /// <summary>Builds; the outputs are valid in the local store then.</summary>
    /// <param name="order">What is wanted.</param>
    /// <param name="observer">Is told what happens to it.</param>
    /// <param name="cancellation">The client wants it no longer.</param>
    /// <returns>What became of each derivation that had to be built or fetched, or was asked for.</returns>
    /// <exception cref="Errors.NixBuildFarmException">Nothing could be built at all.</exception>
    Task<IReadOnlyList<NixBuildResult>> BuildAsync(BuildOrder order, IBuildObserver observer, CancellationToken cancellation);
}
