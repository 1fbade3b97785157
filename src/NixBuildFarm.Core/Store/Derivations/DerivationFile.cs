using System.Security.Cryptography;
using NixBuildFarm.Store.Nar;

namespace NixBuildFarm.Store.Derivations;

/// <summary>
/// The <c>.drv</c> file of a derivation, to be added to a store: a text that refers to the inputs.
/// [writeDerivation in src/libstore/derivations.cc of NixOS/nix]
/// </summary>
internal sealed class DerivationFile
{
    private readonly FileNar nar;

    /// <summary>Makes the file.</summary>
    /// <param name="derivation">The derivation.</param>
    /// <param name="name">Its name, without <c>.drv</c>.</param>
    public DerivationFile(Derivation derivation, string name)
    {
        var content = DerivationWriter.Write(derivation);
        var hash = new Sha256Hash(SHA256.HashData(content));
        StorePath[] references = [.. derivation.InputSources.Concat(derivation.InputDerivations.Keys).Distinct().Order()];
        nar = new(content);
        Info = new()
        {
            Path = StorePath.Of($"text{string.Concat(references.Select(path => $":{path}"))}", hash, $"{name}.drv"),
            NarHash = nar.Digest.Hash,
            NarSize = nar.Digest.Size,
            References = references,
            ContentAddress = $"text:sha256:{hash.ToBase32()}",
        };
    }

    /// <summary>Its path, as a store registers it.</summary>
    public PathInfo Info { get; }

    /// <summary>Writes its NAR.</summary>
    public Task WriteNarAsync(Stream destination, CancellationToken cancellation) => nar.WriteAsync(destination, cancellation);
}
