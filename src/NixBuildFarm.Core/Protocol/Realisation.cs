using NixBuildFarm.Store;

namespace NixBuildFarm.Protocol;

/// <summary>Where an output is whose path was known only after the build.</summary>
/// <param name="Id">The derivation's hash and the output's name, <c>sha256:HEX!out</c>: how a store looks it up.</param>
/// <param name="Path">Where it is.</param>
internal sealed record Realisation(string Id, StorePath Path)
{
    /// <summary>
    /// The derivation with the paths of its inputs in it: how a store of Nix 2.35 or later looks the output up. Null: not known, and such a
    /// store is not told.
    /// </summary>
    public StorePath? Resolved { get; init; }

    /// <summary>The name of an output in an <see cref="Id"/>.</summary>
    public static string OutputIn(string id) => id[(id.IndexOf('!', StringComparison.Ordinal) + 1)..];
}
