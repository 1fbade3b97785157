using NixBuildFarm.Store;

namespace NixBuildFarm.Sharing;

/// <summary>A compiler whose compiles can be shared, on all builders of one system.</summary>
/// <param name="System">The system that the compiler runs on.</param>
/// <param name="Shim">The shim that was built with it.</param>
/// <param name="Shadow">The output of the shadow derivation.</param>
/// <param name="Folder">The compiler's own folder.</param>
internal sealed record SharedToolchain(string System, StorePath Shim, StorePath Shadow, CompilerFolder Folder)
{
    /// <summary>
    /// What was made for it on the builder where it was prepared, with the sizes in bytes: the shim, its source, and the shadow.
    /// </summary>
    public IReadOnlyDictionary<StorePath, long> Programs { get; init; } = new Dictionary<StorePath, long>();

    /// <summary>What a helper needs besides the files of a unit.</summary>
    public IReadOnlyList<StorePath> Inputs => [Shim, Folder.Compiler];
}
