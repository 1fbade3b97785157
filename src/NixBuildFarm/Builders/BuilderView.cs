using System.ComponentModel;
using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Hosting;

namespace NixBuildFarm.Builders;

/// <summary>
/// Columns of NixBuilder.Format.ps1xml that are no plain property. Called with values of objects or of bags of properties.
/// </summary>
[EditorBrowsable(EditorBrowsableState.Never)]
public static class BuilderView
{
    private const int SourceWidth = 24;

    private static readonly string[] Columns =
    [
        nameof(BuilderPolicy.MaxJobs), nameof(BuilderPolicy.SpeedFactor), nameof(BuilderPolicy.Enabled),
    ];

    private static readonly string[] OtherSettings = [.. BuilderPolicy.Names.Except(Columns)];

    /// <summary>
    /// Systems without <c>-linux</c>, which nearly all have, and without the levels of x86_64, which say nothing about another machine.
    /// </summary>
    public static string Systems(object? systems) => string.Join(
        ", ",
        PropertyBag.Texts(systems)
            .Where(s => !s.StartsWith("x86_64-v", StringComparison.Ordinal))
            .Select(s => s.EndsWith("-linux", StringComparison.Ordinal) ? s[..^"-linux".Length] : s));

    /// <summary>Features, of which the mandatory ones say so.</summary>
    public static string Features(object? supported, object? mandatory) => string.Join(
        ", ",
        PropertyBag.Texts(mandatory)
            .Select(f => f + " (required)")
            .Concat(PropertyBag.Texts(supported).Except(PropertyBag.Texts(mandatory))));

    /// <summary>The end of the source, which is the telling part of a path.</summary>
    public static string Source(object? source) =>
        PropertyBag.Text(source) is { Length: > SourceWidth } text ? "…" + text[^(SourceWidth - 1)..] : PropertyBag.Text(source);

    /// <summary>The settings of a policy that are not columns of the table.</summary>
    public static string Others(object? policy) => string.Join(
        ", ",
        OtherSettings.Select(name => (Name: name, Value: PropertyBag.Property(policy, name))).Where(setting => setting.Value is not null)
            .Select(setting => $"{setting.Name} {string.Join(' ', PropertyBag.Texts(setting.Value))}"));

    /// <summary>A load and the cores that carry it: <c>3.2 of 8</c>.</summary>
    public static string Load(object? load, object? cores) => PropertyBag.As<double>(load) is not { } value ? ""
        : PropertyBag.As<int>(cores) is { } count ? FormattableString.Invariant($"{value:0.0} of {count}")
        : FormattableString.Invariant($"{value:0.0}");

    /// <summary>What programs wait for most, and how much of the time: <c>memory 12 %</c>; nothing where it is hardly anything.</summary>
    public static string Pressure(object? cpu, object? memory, object? io)
    {
        var (share, what) = new[] { (Of(cpu), "cpu"), (Of(memory), "memory"), (Of(io), "io") }.Max();
        return share >= 1 ? FormattableString.Invariant($"{what} {share:0} %") : "";

        static double Of(object? value) => PropertyBag.As<double>(value) ?? 0;
    }

    /// <summary>The names of builds, and how many of them are of others at least: <c>gcc, zlib (1 of others)</c>.</summary>
    public static string BuildNames(object? builds, object? others) =>
        PropertyBag.As<int>(others) is > 0 and var count
            ? FormattableString.Invariant($"{HumanText.List(builds)} ({count} of others)")
            : HumanText.List(builds);

    /// <summary>Builds with their memory, one under the other.</summary>
    public static string Builds(object? builds) => string.Join('\n', PropertyBag.Items(builds).Select(build =>
        PropertyBag.As<long>(PropertyBag.Property(build, nameof(MachineBuild.Memory))) is { } memory
            ? $"{PropertyBag.Text(build)}: {HumanText.Bytes(memory)}"
            : PropertyBag.Text(build)));

    /// <summary>The builder of a policy.</summary>
    public static string For(object? name) => PropertyBag.Text(name) is { Length: > 0 } text ? text : "farm-wide";
}
