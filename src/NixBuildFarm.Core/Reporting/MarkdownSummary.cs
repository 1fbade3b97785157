using System.Globalization;
using System.Text;
using NixBuildFarm.History;
using NixBuildFarm.Protocol;
using NixBuildFarm.Text;

namespace NixBuildFarm.Reporting;

/// <summary>
/// The report as a page of Markdown, which GitHub shows as the summary of a job: failures with the ends of their logs first, then what each
/// builder did, then what took longest. Names and logs are text in it, whatever is in them.
/// </summary>
public static class MarkdownSummary
{
    private const int FailuresShown = 20, LogLines = 20, SlowestShown = 10, ChangesShown = 10;

    // GitHub refuses a summary of more than 1 MiB.
    private const int MostCharacters = 500_000;

    /// <summary>Writes it.</summary>
    public static void Write(RunReport report, Stream output)
    {
        using var writer = new StreamWriter(output, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), leaveOpen: true)
        {
            NewLine = "\n",
        };
        writer.Write(Text(report));
    }

    /// <summary>The same as text.</summary>
    public static string Text(RunReport report)
    {
        var page = new StringBuilder();
        var done = report.Jobs.Count(job => job.Status?.IsSuccess() == true);
        Line(page, $"## {Mark(report.State)} {Plain(string.Join(", ", report.Requested))}");
        Line(page, "");
        Line(page, $"{done} of {report.Jobs.Count} done in {Span(report.Seconds)}; run {report.RunId}.");
        if (report.Error is { } error) Line(page, $"\n{Plain(error)}");
        AddFailures(page, report);
        if (report.ComparedTo is { } other) AddComparison(page, report, other);
        AddBuilders(page, report);
        AddSlowest(page, report);
        return page.ToString();
    }

    private static void AddFailures(StringBuilder page, RunReport report)
    {
        var failed = report.Jobs.Where(job => job.Status?.HasFailed() == true).ToArray();
        var withoutLog = 0;
        foreach (var job in failed.Take(FailuresShown))
        {
            var where = job.Builder is { } row ? $" on {Plain(report.Builders[row].Name)}" : "";
            var phase = job.Phase is { } name ? $", in {Plain(name)}" : "";
            Line(page, $"\n### ❌ {Plain(job.Name)}\n\n{job.Status}{where}{phase}. {Plain(FailureText.InOneLine(job.Error ?? ""))}");
            if (job.LogTail.Count == 0) continue;
            string[] lines = [.. job.LogTail.TakeLast(LogLines).Select(TerminalText.Strip)];
            if (page.Length + lines.Sum(line => line.Length) > MostCharacters)
            {
                withoutLog++;
                continue;
            }
            // A fence that is longer than any in the log.
            var fence = new string('`', Math.Max(3, 1 + lines.Max(LongestRunOfTicks)));
            Line(page, $"\n{fence}text\n{string.Join('\n', lines)}\n{fence}");
        }
        if (withoutLog > 0) Line(page, $"\nThe page would be too long with the ends of {withoutLog} more logs: they are left out.");
        if (failed.Length > FailuresShown) Line(page, $"\n{failed.Length - FailuresShown} more have failed.");
    }

    private static void AddComparison(StringBuilder page, RunReport report, ReportComparison other)
    {
        var (makespan, then) = (report.Makespan, other.Makespan);
        Line(page, $"\n### Compared with run {Plain(other.RunId)}\n\n| | Then | Now | Difference |\n|---|---:|---:|---:|");
        Line(page, $"| Makespan | {Span(then)} | {Span(makespan)} | {Longer(makespan - then)} |");
        if (report.LowerBound is { } bound && other.LowerBound is { } boundThen)
        {
            Line(page, $"| Lower bound | {Span(boundThen)} | {Span(bound)} | {Longer(bound - boundThen)} |");
        }
        var changes = other.Derivations.Where(one => one.Change is not (NixBuildChange.Alike or NixBuildChange.NotBuilt)).ToArray();
        Line(page, "");
        Line(page, changes.Length == 0 ? "No build was slower or faster." : CountsOf(changes));
        // What failed, then what differs most.
        var shown = changes.OrderBy(one => one.Change != NixBuildChange.Failed)
            .ThenByDescending(one => Math.Abs(one.Difference ?? 0)).Take(ChangesShown).ToArray();
        if (shown.Length == 0) return;
        Line(page, "\n| Derivation | Change | Then | Now | Difference |\n|---|---|---:|---:|---:|");
        foreach (var one in shown)
        {
            var difference = one.Difference is { } seconds ? Longer(seconds) : "";
            Line(page, $"| {Plain(one.Name)} | {Word(one.Change)} | {Took(one.SecondsThen, one.BuilderThen)} | "
                + $"{Took(one.Seconds, one.Builder)} | {difference} |");
        }
        if (changes.Length > ChangesShown) Line(page, $"\n{changes.Length - ChangesShown} more differ.");
    }

    private static string CountsOf(IEnumerable<NixBuildComparison> changes) =>
        string.Join(", ", changes.GroupBy(one => one.Change).OrderBy(own => own.Key).Select(own => $"{own.Count()} {Word(own.Key)}")) + ".";

    private static string Word(NixBuildChange change) => change.ToString().ToLowerInvariant();

    private static string Took(double? seconds, string? builder) =>
        seconds is not { } known ? "" : builder is null ? Span(known) : $"{Span(known)} on {Plain(builder)}";

    private static string Longer(double seconds) => (seconds < 0 ? "−" : "+") + Span(Math.Abs(seconds));

    private static void AddBuilders(StringBuilder page, RunReport report)
    {
        var working = report.Builders.Where(builder => builder.BusySeconds > 0).ToArray();
        if (working.Length == 0) return;
        Line(page, "\n| Builder | Built | Busy | Received |\n|---|---:|---:|---:|");
        foreach (var builder in working)
        {
            var busy = builder.Kind == ReportBuilderKind.Builder ? FormattableString.Invariant($"{100 * builder.Utilisation:0} %") : "";
            Line(page, $"| {Plain(builder.Name)} | {builder.Builds} | {busy} | {builder.SuppliedBytes >> 10} KiB |");
        }
    }

    private static void AddSlowest(StringBuilder page, RunReport report)
    {
        var slowest = report.Jobs.Where(job => job.Status == NixBuildStatus.Built).OrderByDescending(job => job.Seconds)
            .Take(SlowestShown).ToArray();
        if (slowest.Length == 0) return;
        Line(page, "\n<details><summary>What took longest</summary>\n\n| Derivation | Duration | Builder |\n|---|---:|---|");
        foreach (var job in slowest)
        {
            var builder = job.Builder is { } row ? Plain(report.Builders[row].Name) : "";
            Line(page, $"| {Plain(job.Name)} | {Span(job.Seconds)} | {builder} |");
        }
        Line(page, "\n</details>");
    }

    private static void Line(StringBuilder page, string text) => page.Append(text).Append('\n');

    private static string Mark(RunState state) => state switch
    {
        RunState.Succeeded => "✅",
        RunState.Running => "⏳",
        RunState.Stopped or RunState.Interrupted => "⏹️",
        _ => "❌",
    };

    private static string Span(double seconds)
    {
        if (seconds < 60) return seconds.ToString("0.0 s", CultureInfo.InvariantCulture);
        var span = TimeSpan.FromSeconds(seconds);
        return string.Create(CultureInfo.InvariantCulture, $"{(long)span.TotalHours}:{span:mm\\:ss}");
    }

    private static int LongestRunOfTicks(string line)
    {
        var (longest, run) = (0, 0);
        foreach (var c in line) longest = Math.Max(longest, run = c == '`' ? run + 1 : 0);
        return longest;
    }

    /// <summary>Text that Markdown takes for nothing else, in one line.</summary>
    private static string Plain(string text)
    {
        var plain = new StringBuilder();
        foreach (var c in TerminalText.Strip(text))
        {
            if (c is '\n' or '\r' or '\t') plain.Append(' ');
            else if (c == '<') plain.Append("&lt;");
            else if (c == '&') plain.Append("&amp;");
            else if (c is '\\' or '`' or '*' or '_' or '[' or ']' or '|' or '#' or '~' or '!' or '@' or '>') plain.Append('\\').Append(c);
            else plain.Append(c);
        }
        return plain.ToString();
    }
}
