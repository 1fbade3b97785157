using NixBuildFarm.Errors;

namespace NixBuildFarm.Store.Derivations;

/// <summary>Where derivations are read from. Safe for concurrent use.</summary>
internal interface IDerivationSource
{
    /// <summary>Reads one derivation.</summary>
    /// <exception cref="NixBuildFarmException">It is not there, cannot be read, or is no derivation; the message names the
    /// file.</exception>
    Task<Derivation> ReadAsync(StorePath path, CancellationToken cancellation);

    /// <summary>Reads the outline of one: see <see cref="Derivation.IsOutline"/>.</summary>
    /// <exception cref="NixBuildFarmException">The same.</exception>
    async Task<Derivation> ReadOutlineAsync(StorePath path, CancellationToken cancellation) =>
        (await ReadAsync(path, cancellation)).ToOutline();
}
