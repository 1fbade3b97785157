namespace NixBuildFarm.Sharing;

/// <summary>Numbers the compiles of a run: by the build, and within it by the connection of the shim.</summary>
internal static class CompileNumber
{
    private const int ConnectionBits = 32;

    /// <summary>The number of a compile.</summary>
    public static long Of(long build, uint connection) => (build << ConnectionBits) | connection;

    /// <summary>The build that a compile is of.</summary>
    public static long BuildOf(long compile) => compile >> ConnectionBits;

    /// <summary>The connection of its shim.</summary>
    public static uint ConnectionOf(long compile) => (uint)compile;
}
