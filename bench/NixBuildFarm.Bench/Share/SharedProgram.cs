namespace NixBuildFarm.Bench.Share;

/// <summary>A program whose compiles last as long as those of a real one, or in proportion to them.</summary>
internal static class SharedProgram
{
    /// <summary>
    /// Seconds of each unit: drawn from what the units of cppcheck 2.10 take (g++ 12), the mean as wanted, in an order that is always the
    /// same.
    /// </summary>
    public static double[] Units(int count, double mean)
    {
        var measured = File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, "Share", "compile-times.txt"))
            .Where(line => line.Length > 0 && line[0] != '#')
            .Select(line => double.Parse(line, System.Globalization.CultureInfo.InvariantCulture)).ToArray();
        var random = new Random(1);
        var drawn = Enumerable.Range(0, count).Select(_ => measured[random.Next(measured.Length)]).ToArray();
        var scale = mean / drawn.Average();
        return [.. drawn.Select(seconds => Math.Round(seconds * scale, 2))];
    }

    /// <summary>What no way to build it can beat: all places full all the time, or the longest compile.</summary>
    public static double Bound(double[] units, int places) => Math.Max(units.Sum() / places, units.Max());
}
