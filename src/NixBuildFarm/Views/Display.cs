using System.ComponentModel;
using System.Management.Automation;
using NixBuildFarm.Builders.Testing;
using NixBuildFarm.Running;

namespace NixBuildFarm.Views;

/// <summary>How values look in tables. Called by the format files, which hold no logic of their own.</summary>
[EditorBrowsable(EditorBrowsableState.Never)]
public static class Display
{
    /// <summary>A span of time as people say it: <c>0.4 s</c>, <c>12 s</c>, <c>3 m 05 s</c>, <c>1 h 20 m</c>; nothing for none.</summary>
    public static string Span(TimeSpan span) => span switch
    {
        { Ticks: 0 } => "",
        { TotalSeconds: < 9.95 } => $"{span.TotalSeconds:0.0} s",
        { TotalSeconds: < 59.5 } => $"{span.TotalSeconds:0} s",
        { TotalHours: < 1 } => $"{span.Minutes} m {span.Seconds:00} s",
        _ => $"{(int)span.TotalHours} h {span.Minutes:00} m",
    };

    /// <summary>A moment in the time of this place: <c>2026-03-01 14:05</c>.</summary>
    public static string Moment(DateTimeOffset moment) => $"{moment.LocalDateTime:yyyy-MM-dd HH:mm}";

    /// <summary>A number of bytes: <c>512 B</c>, <c>1.4 MiB</c>.</summary>
    public static string Bytes(long count)
    {
        string[] units = ["B", "KiB", "MiB", "GiB", "TiB"];
        var (value, unit) = ((double)count, 0);
        for (; value >= 1023.95 && unit < units.Length - 1; unit++) value /= 1024;
        return unit == 0 ? $"{count} B" : $"{value:0.0} {units[unit]}";
    }

    /// <summary>Values one under the other.</summary>
    public static string Lines(IEnumerable<object> values) => string.Join('\n', values);

    /// <summary>The outputs of a derivation, one under the other: <c>out: /nix/store/…</c>.</summary>
    public static string Outputs(NixBuildResult result) => string.Join('\n', result.Outputs.Select(output => $"{output.Key}: {output.Value}"));

    /// <summary>A latency.</summary>
    public static string Milliseconds(TimeSpan? span) => span is { } value ? $"{value.TotalMilliseconds:0.0} ms" : "";

    /// <summary>How a derivation ended: green, red, or neither.</summary>
    public static string Status(NixBuildResult result, object style) => Coloured(result.Status.ToString(), style, own => result switch
    {
        { Success: true } => own.Foreground.Green,
        { Status: NixBuildStatus.Cancelled or NixBuildStatus.DependencyFailed } => own.Foreground.Yellow,
        _ => own.Foreground.Red,
    });

    /// <summary>The name of a derivation; what was asked for stands out.</summary>
    public static string Name(NixBuildResult result, object style) =>
        result.IsRequested ? Coloured(result.Name, style, own => own.Bold) : result.Name;

    /// <summary>The state of a builder: green, yellow or red.</summary>
    public static string State(NixBuilderTest test, object style) => Coloured(test.State.ToString(), style, own => test.State switch
    {
        NixBuilderState.Online => own.Foreground.Green,
        NixBuilderState.Degraded => own.Foreground.Yellow,
        _ => own.Foreground.Red,
    });

    /// <summary>How a run ended: green, red, or yellow where the user stopped it.</summary>
    public static string RunState(NixBuildRun run, object style) => Coloured(run.State.ToString(), style, own => run.State switch
    {
        Running.RunState.Succeeded => own.Foreground.Green,
        Running.RunState.Stopped => own.Foreground.Yellow,
        _ => own.Foreground.Red,
    });

    /// <summary>What a test found, and what to do about it, one after the other.</summary>
    public static string Findings(NixBuilderTest test) =>
        string.Join('\n', test.Findings.Select(finding => finding.Recommendation is null ? finding.Message : $"{finding.Message} → {finding.Recommendation}"));

    // The user's own colours, which PowerShell takes out where the output is no terminal. PSStyle is newer than the
    // reference assembly that the module is compiled against, hence dynamic.
    private static string Coloured(string text, object style, Func<dynamic, string> colour)
    {
        dynamic own = style is PSObject wrapped ? wrapped.BaseObject : style;
        return $"{colour(own)}{text}{(string)own.Reset}";
    }
}
