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
        nar = new(content);
        Info = new()
        {
            Path = PathOf(derivation, name, hash),
            NarHash = nar.Digest.Hash,
            NarSize = nar.Digest.Size,
            References = ReferencesOf(derivation),
            ContentAddress = $"text:sha256:{hash.ToBase32()}",
        };
    }

    /// <summary>Its path, as a store registers it.</summary>
    public PathInfo Info { get; }

    /// <summary>Writes its NAR.</summary>
    public Task WriteNarAsync(Stream destination, CancellationToken cancellation) => nar.WriteAsync(destination, cancellation);

    /// <summary>The path of the file of a derivation.</summary>
    public static StorePath PathOf(Derivation derivation, string name) =>
        PathOf(derivation, name, new(SHA256.HashData(DerivationWriter.Write(derivation))));

    private static StorePath PathOf(Derivation derivation, string name, Sha256Hash content) =>
        StorePath.Of($"text{string.Concat(ReferencesOf(derivation).Select(path => $":{path}"))}", content, $"{name}.drv");

    private static StorePath[] ReferencesOf(Derivation derivation) =>
        [.. derivation.InputSources.Concat(derivation.InputDerivations.Keys).Distinct().Order()];
}
