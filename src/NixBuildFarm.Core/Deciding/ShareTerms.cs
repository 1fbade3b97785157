namespace NixBuildFarm.Deciding;

/// <summary>How a build is shared, should its builder be able to.</summary>
/// <param name="Build">Its number among the shared builds of the run.</param>
/// <param name="HomePlaces">Compiles at a time on its own builder.</param>
/// <param name="Cores">The cores that it is told to use (<c>build-cores</c>): more than its builder has, where others help.</param>
internal sealed record ShareTerms(long Build, int HomePlaces, int Cores);
