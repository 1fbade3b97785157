namespace NixBuildFarm.Observing;

/// <summary>The compiles of a build that are under way now.</summary>
/// <param name="Units">How many.</param>
/// <param name="Machines">On how many builders, that of the build among them.</param>
public sealed record CompilesUnderWay(int Units, int Machines);
