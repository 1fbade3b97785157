using System.Security.Cryptography;
using System.Text;

namespace NixBuildFarm.Store.Derivations;

/// <summary>
/// An output of a derivation that another one uses; or, with several names, an output of a derivation that it makes: each output but the
/// last is the <c>.drv</c> file of the next derivation.
/// </summary>
/// <param name="Derivation">The derivation.</param>
/// <param name="Outputs">The name of the output, or of each in turn.</param>
internal sealed record UsedOutput(StorePath Derivation, params IReadOnlyList<string> Outputs)
{
    /// <summary>
    /// What stands in the derivation that uses it for its path, where that is not known before. [src/libstore/downstream-placeholder.cc of
    /// NixOS/nix]
    /// </summary>
    public string Placeholder
    {
        get
        {
            var hash = HashOf($"nix-upstream-output:{Derivation.HashPart}:{DerivationNode.NameOf(Derivation, Outputs[0])}");
            Span<byte> folded = stackalloc byte[StorePath.HashBytes];
            foreach (var output in Outputs.Skip(1))
            {
                hash.Fold(folded);
                hash = HashOf($"nix-computed-output:{NixBase32.Encode(folded)}:{output}");
            }
            return "/" + hash.ToBase32();
        }
    }

    /// <summary>As Nix writes it.</summary>
    public override string ToString() => string.Join('^', Outputs.Prepend(Derivation.ToString()));

    private static Sha256Hash HashOf(string text) => new(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}
