namespace NixBuildFarm.History;

/// <summary>What a shared compile has left in the store of a builder, for later ones to find.</summary>
/// <param name="Path">The store path.</param>
/// <param name="Bytes">Its size; 0: it is of no use to anybody, and to be deleted.</param>
/// <param name="UsedAt">When it was made, or used last.</param>
public sealed record KeptCompile(string Path, long Bytes, DateTimeOffset UsedAt);
