using System.Runtime.InteropServices;

namespace NixBuildFarm.Scheduling;

/// <summary>What a few measured values of the same thing say together.</summary>
/// <param name="Median">The median of their logarithms, as a value.</param>
/// <param name="Spread">How far the next one may be off, as a standard deviation of the logarithm.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct SampleSummary(double Median, double Spread)
{
    /// <summary>Below this the spread of a few equal values is not believed.</summary>
    private const double LeastSpread = 0.08;

    /// <summary>Sums values up. One odd value does no harm, and few are trusted less.</summary>
    /// <param name="values">At least one, all above zero.</param>
    public static SampleSummary Of(IEnumerable<double> values)
    {
        double[] logs = [.. values.Select(value => Math.Log(value))];
        var middle = Scheduling.Median.Of(logs);
        // 1.48 makes the median of absolute deviations comparable with a standard deviation.
        var spread = 1.48 * Scheduling.Median.Of(logs.Select(log => Math.Abs(log - middle)));
        return new(Math.Exp(middle), Math.Max(LeastSpread, spread) + 0.25 / logs.Length);
    }
}
