using System.Collections;
using System.ComponentModel;
using NixBuildFarm.History;
using NixBuildFarm.Platform;
using NixBuildFarm.Testing;

namespace NixBuildFarm.Hosting;

/// <summary>
/// How values look in tables. Called by the format files, which hold no logic of their own, with values of objects or of bags of
/// properties.
/// </summary>
[EditorBrowsable(EditorBrowsableState.Never)]
public static class HumanText
{
    /// <summary>A span of time as people say it: <c>0.4 s</c>, <c>12 s</c>, <c>3 m 05 s</c>, <c>1 h 20 m</c>; nothing for none.</summary>
    public static string Span(object? span) => PropertyBag.As<TimeSpan>(span) switch
    {
        null or { Ticks: 0 } => "",
        { TotalSeconds: < 9.95 } brief => $"{brief.TotalSeconds:0.0} s",
        { TotalSeconds: < 59.5 } some => $"{some.TotalSeconds:0} s",
        { } longer => InWholeSeconds(longer),
    };

    private static string InWholeSeconds(TimeSpan span)
    {
        var whole = TimeSpan.FromSeconds(Math.Round(span.TotalSeconds));
        return whole.TotalHours < 1 ? $"{whole.Minutes} m {whole.Seconds:00} s" : $"{(int)whole.TotalHours} h {whole.Minutes:00} m";
    }

    /// <summary>A span of time that nobody has measured: <c>guess: 5.0 s</c>; nothing for none.</summary>
    public static string Guess(object? span) => Span(span) is { Length: > 0 } text ? $"guess: {text}" : "";

    /// <summary>A duration in seconds as <see cref="Span"/> says it; nothing for none.</summary>
    public static string Seconds(object? seconds) =>
        PropertyBag.As<double>(seconds) is { } value ? Span(TimeSpan.FromSeconds(value)) : "";

    /// <summary>How much longer something takes, or less long: <c>+3.2 s</c>, <c>-1 m 05 s</c>; nothing for none.</summary>
    public static string Longer(object? seconds) =>
        PropertyBag.As<double>(seconds) is not { } value ? ""
        : Math.Abs(value) < 0.05 ? "0.0 s"
        : (value < 0 ? "-" : "+") + Seconds(Math.Abs(value));

    /// <summary>What has become of a derivation: red for worse, green for better.</summary>
    public static string Change(object? change, object style) =>
        Coloured(PropertyBag.Text(change), style, own => PropertyBag.As<NixBuildChange>(change) switch
    {
        NixBuildChange.Slower or NixBuildChange.Failed => own.Foreground.Red,
        NixBuildChange.Faster or NixBuildChange.Mended => own.Foreground.Green,
        _ => own.Foreground.BrightBlack,
    });

    /// <summary>A moment in the time of this place: <c>2026-03-01 14:05</c>; nothing for none.</summary>
    public static string Moment(object? moment) => PropertyBag.Moment(moment) is { } value ? $"{value.LocalDateTime:yyyy-MM-dd HH:mm}" : "";

    /// <summary>A number of bytes: <c>512 B</c>, <c>1.4 MiB</c>; nothing for none.</summary>
    public static string Bytes(object? count)
    {
        if (PropertyBag.As<long>(count) is not { } bytes) return "";
        string[] units = ["B", "KiB", "MiB", "GiB", "TiB"];
        var (value, unit) = ((double)bytes, 0);
        for (; value >= 1023.95 && unit < units.Length - 1; unit++) value /= 1024;
        return unit == 0 ? $"{bytes} B" : $"{value:0.0} {units[unit]}";
    }

    /// <summary>A number of things: <c>1 path</c>, <c>31 paths</c>.</summary>
    public static string Count(int number, string what) => number == 1 ? $"1 {what}" : $"{number} {what}s";

    /// <summary>Values one under the other.</summary>
    public static string Lines(object? values) => string.Join('\n', PropertyBag.Texts(values));

    /// <summary>Values one after the other.</summary>
    public static string List(object? values) => string.Join(", ", PropertyBag.Texts(values));

    private static readonly IComparer<string> OutputOrder = Comparer<string>.Create((one, other) =>
        one == other ? 0 : one == "out" ? -1 : other == "out" ? 1 : string.CompareOrdinal(one, other));

    /// <summary>
    /// The outputs of a derivation, one under the other: <c>out: /nix/store/…</c>. A table that comes from a job has lost its order.
    /// </summary>
    public static string Outputs(object? outputs) => PropertyBag.Bare(outputs) is IDictionary named
        ? string.Join('\n', named.Keys.Cast<object>().OrderBy(name => $"{name}", OutputOrder).Select(name => $"{name}: {named[name]}"))
        : Lines(outputs);

    /// <summary>A latency.</summary>
    public static string Milliseconds(object? span) =>
        PropertyBag.As<TimeSpan>(span) is { } value ? $"{value.TotalMilliseconds:0.0} ms" : "";

    /// <summary>How a derivation ended: green, red, or neither.</summary>
    public static string Status(object? status, object style) =>
        Coloured(PropertyBag.Text(status), style, own => PropertyBag.As<NixBuildStatus>(status) switch
    {
        NixBuildStatus.Cancelled or NixBuildStatus.DependencyFailed => own.Foreground.Yellow,
        { } ended when ended.IsSuccess() => own.Foreground.Green,
        _ => own.Foreground.Red,
    });

    /// <summary>The name of a derivation, with its system if that is not this machine's; bold if it was asked for.</summary>
    public static string Name(object? name, object? system, object? isRequested, object style)
    {
        var text = PropertyBag.Text(system) is { Length: > 0 } other && other != OwnSystem.Name && other != "builtin"
            ? $"{PropertyBag.Text(name)} [{other}]"
            : PropertyBag.Text(name);
        return PropertyBag.As<bool>(isRequested) == true ? Coloured(text, style, own => own.Bold) : text;
    }

    /// <summary>The state of a builder: green, yellow or red.</summary>
    public static string State(object? state, object style) =>
        Coloured(PropertyBag.Text(state), style, own => PropertyBag.As<NixBuilderState>(state) switch
    {
        NixBuilderState.Online => own.Foreground.Green,
        NixBuilderState.Degraded => own.Foreground.Yellow,
        _ => own.Foreground.Red,
    });

    /// <summary>How a run ended: green, red, or yellow where it was ended, or has not ended.</summary>
    public static string RunState(object? state, object style) =>
        Coloured(PropertyBag.Text(state), style, own => PropertyBag.As<RunState>(state) switch
    {
        History.RunState.Succeeded => own.Foreground.Green,
        History.RunState.Failed => own.Foreground.Red,
        _ => own.Foreground.Yellow,
    });

    /// <summary>The findings of a test with recommendations, one after the other.</summary>
    public static string Findings(object? findings) => string.Join('\n', PropertyBag.Items(findings).Select(finding =>
        PropertyBag.TextProperty(finding, nameof(NixBuilderFinding.Recommendation)) is { } recommendation
            ? $"{PropertyBag.TextProperty(finding, nameof(NixBuilderFinding.Message))} → {recommendation}"
            : PropertyBag.Text(finding)));

    /// <summary>How a builder did a small build: <c>native</c>, <c>emulated, 0.12 of native speed</c>, or why it did not.</summary>
    public static string Proof(object? test) =>
        (Is(test, nameof(NixBuilderSystemTest.Success)), Is(test, nameof(NixBuilderSystemTest.IsEmulated))) switch
    {
        (false, _) => PropertyBag.TextProperty(test, nameof(NixBuilderSystemTest.Error)) ?? "failed",
        (_, true) => PropertyBag.As<double>(PropertyBag.Property(test, nameof(NixBuilderSystemTest.Speed))) is { } speed
            ? FormattableString.Invariant($"emulated, {speed:0.00} of native speed")
            : "emulated",
        (_, false) => "native",
        _ => "built",
    };

    private static bool? Is(object? owner, string property) => PropertyBag.As<bool>(PropertyBag.Property(owner, property));

    // The user's own colours, which PowerShell takes out where the output is no terminal. PSStyle is newer than the
    // reference assembly that the module is compiled against, hence dynamic.
    private static string Coloured(string text, object style, Func<dynamic, string> colour)
    {
        dynamic own = PropertyBag.Bare(style)!;
        return $"{colour(own)}{text}{(string)own.Reset}";
    }
}
