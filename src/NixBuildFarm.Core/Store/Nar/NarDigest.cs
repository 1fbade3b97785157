namespace NixBuildFarm.Store.Nar;

/// <summary>Hash and size of a NAR: both are part of a path's registration, and both are checked on arrival.</summary>
/// <param name="Hash">SHA-256 of its bytes.</param>
/// <param name="Size">How many bytes it has.</param>
internal readonly record struct NarDigest(Sha256Hash Hash, long Size);
