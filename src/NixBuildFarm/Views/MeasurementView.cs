using System.ComponentModel;
using NixBuildFarm.Measuring;

namespace NixBuildFarm.Views;

/// <summary>How measurements look. Called by the format files, which hold no logic of their own.</summary>
[EditorBrowsable(EditorBrowsableState.Never)]
public static class MeasurementView
{
    private const int StepsShown = 12;

    /// <summary>A span of time that may not be known.</summary>
    public static string Actual(NixBuildMeasurement measurement) => measurement.ActualMakespan is { } span ? Display.Span(span) : "";

    /// <summary>Makespan ÷ lower bound.</summary>
    public static string Ratio(NixBuildMeasurement measurement) => measurement.Ratio is { } ratio ? FormattableString.Invariant($"{ratio:0.000}") : "";

    /// <summary>The builders, one a line.</summary>
    public static string Utilisation(NixBuildMeasurement measurement)
    {
        var width = measurement.Utilisation.Select(u => u.Name.Length).DefaultIfEmpty(0).Max();
        return string.Join('\n', measurement.Utilisation.Select(u => FormattableString.Invariant(
            $"{u.Name.PadRight(width)}  {100 * u.Utilisation,3:0} %  {u.Jobs,6} jobs  {Display.Span(u.Busy)}")));
    }

    /// <summary>The longest builds of the critical path, in its order, one a line.</summary>
    public static string CriticalPath(NixBuildMeasurement measurement)
    {
        var longest = measurement.CriticalPath.OrderByDescending(step => step.Duration).Take(StepsShown).ToHashSet();
        var lines = measurement.CriticalPath.Where(longest.Contains).Select(step => $"{Display.Span(step.Duration),9}  {step.Name} ({step.Builder})");
        var left = measurement.CriticalPath.Count - longest.Count;
        return string.Join('\n', left > 0 ? lines.Append($"           and {left} shorter ones") : lines);
    }
}
