using System.Security.Cryptography;
using System.Text;
using NixBuildFarm.Store;
using NixBuildFarm.Store.Derivations;

namespace NixBuildFarm.Sharing;

/// <summary>
/// The derivations that make the shim, and the folder that stands in for the compiler's. Each compiler builds the shim that stands in for
/// it.
/// </summary>
internal static class ShimDerivations
{
    private const string ShimName = "nixbuildfarm-shim", ShadowName = "nixbuildfarm-shadow";

    /// <summary>Whether a path is the shim, its source, or a folder that stands in for a compiler's.</summary>
    public static bool Makes(StorePath path) => path.Name is ShimName or ShadowName or ShimSource.FileName;

    /// <summary>The shim's source.</summary>
    public static StoreFile Source { get; } = new(ShimSource.FileName, Encoding.UTF8.GetBytes(ShimSource.Text));

    /// <summary>Builds the shim: no shell, only the compiler.</summary>
    /// <param name="candidate">The compiler.</param>
    /// <param name="system">The system of the build.</param>
    public static PlainDerivation Build(CompilerCandidate candidate, string system) => PlainDerivation.Of(
        ShimName,
        system,
        $"{candidate.Wrapper}/bin/gcc",
        ["-std=gnu11", "-O2", "-s", "-o", Placeholder, Source.Path.ToString()],
        new Dictionary<string, string> { ["PATH"] = $"{candidate.Compiler}/bin" },
        [candidate.Wrapper, candidate.Compiler, Source.Path]);

    /// <summary>Makes the folder that is mounted in place of the compiler's own, and finds that folder.</summary>
    /// <param name="candidate">The compiler.</param>
    /// <param name="shim">The shim.</param>
    /// <param name="system">The system of the build.</param>
    public static PlainDerivation Shadow(CompilerCandidate candidate, StorePath shim, string system) => PlainDerivation.Of(
        ShadowName,
        system,
        shim.ToString(),
        ["shadow"],
        new Dictionary<string, string> { ["toolchain"] = candidate.Compiler.ToString() },
        [candidate.Compiler, shim]);

    /// <summary>Stands in an argument for the path of the output. [hashPlaceholder in src/libstore/derivations.cc of NixOS/nix]</summary>
    private static string Placeholder { get; } =
        "/" + new Sha256Hash(SHA256.HashData(Encoding.ASCII.GetBytes("nix-output:out"))).ToBase32();
}
