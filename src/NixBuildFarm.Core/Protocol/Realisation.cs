using NixBuildFarm.Store;

namespace NixBuildFarm.Protocol;

/// <summary>Where an output is whose path was known only after the build.</summary>
/// <param name="Id">The derivation's hash and the output's name, <c>sha256:HEX!out</c>: how a store looks it up.</param>
/// <param name="Path">Where it is.</param>
internal sealed record Realisation(string Id, StorePath Path);
