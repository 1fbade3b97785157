using System.ComponentModel;
using NixBuildFarm.Hosting;

namespace NixBuildFarm.Measuring;

/// <summary>
/// How measurements look. Called by the format files, which hold no logic of their own, with values of objects or of bags of properties.
/// </summary>
[EditorBrowsable(EditorBrowsableState.Never)]
public static class MeasurementView
{
    private const int StepsShown = 12;

    /// <summary>Makespan ÷ lower bound; nothing for none.</summary>
    public static string Ratio(object? ratio) =>
        PropertyBag.As<double>(ratio) is { } value ? FormattableString.Invariant($"{value:0.000}") : "";

    /// <summary>The builders, one a line.</summary>
    public static string Utilisation(object? utilisation)
    {
        var builders = PropertyBag.Items(utilisation).ToArray();
        var width = builders.Select(builder => Text(builder, nameof(BuilderUtilisation.Name)).Length).DefaultIfEmpty(0).Max();
        return string.Join('\n', builders.Select(Line));

        string Line(object builder)
        {
            if (PropertyBag.As<double>(PropertyBag.Property(builder, nameof(BuilderUtilisation.Utilisation))) is not { } part)
            {
                return PropertyBag.Text(builder);
            }
            var (name, jobs) = (Text(builder, nameof(BuilderUtilisation.Name)), Text(builder, nameof(BuilderUtilisation.Jobs)));
            var busy = Span(builder, nameof(BuilderUtilisation.Busy));
            return FormattableString.Invariant($"{name.PadRight(width)}  {100 * part,3:0} %  {jobs,6} jobs  {busy}");
        }
    }

    /// <summary>The longest builds of the critical path, in its order, one a line.</summary>
    public static string CriticalPath(object? path)
    {
        var steps = PropertyBag.Items(path).ToArray();
        var longest = steps.OrderByDescending(
            step => PropertyBag.As<TimeSpan>(PropertyBag.Property(step, nameof(CriticalPathStep.Duration))))
            .Take(StepsShown)
            .ToHashSet();
        var lines = steps.Where(longest.Contains).Select(step => PropertyBag.Property(step, nameof(CriticalPathStep.Builder)) is { } builder
            ? $"{Span(step, nameof(CriticalPathStep.Duration)),9}  {Text(step, nameof(CriticalPathStep.Name))} ({builder})"
            : PropertyBag.Text(step));
        var left = steps.Length - longest.Count;
        return string.Join('\n', left > 0 ? lines.Append($"           and {left} shorter ones") : lines);
    }

    private static string Text(object owner, string property) => PropertyBag.TextProperty(owner, property) ?? "";

    private static string Span(object owner, string property) => HumanText.Span(PropertyBag.Property(owner, property));
}
