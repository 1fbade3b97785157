namespace NixBuildFarm.Scheduling.Playing;

/// <summary>Random numbers of the standard normal distribution.</summary>
internal static class NormalDistribution
{
    /// <summary>Draws one by Box and Muller's method: the same on every platform.</summary>
    public static double Draw(Random random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}
