namespace NixBuildFarm.Scheduling;

/// <summary>The middle of measured values, which single outliers do not move.</summary>
internal static class Median
{
    /// <summary>The middle value; the mean of both where there are two.</summary>
    /// <param name="values">At least one, in any order.</param>
    public static double Of(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }
}
