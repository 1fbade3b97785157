using System.Management.Automation;
using System.Net;
using NixBuildFarm.Errors;
using NixBuildFarm.Hosting;
using NixBuildFarm.Reporting;
using NixBuildFarm.Reporting.Events;

namespace NixBuildFarm.History;

/// <summary>The formats of a report.</summary>
public enum ReportFormat
{
    /// <summary>A page to look at, in one file.</summary>
    Html,

    /// <summary>The same for other programs.</summary>
    Json,

    /// <summary>The Trace Event Format, for Perfetto and chrome://tracing.</summary>
    ChromeTrace,

    /// <summary>JUnit XML, which CI systems show as tests.</summary>
    JUnit,

    /// <summary>A summary in Markdown, such as GitHub shows for a job.</summary>
    Markdown,

    /// <summary>The events of the run, a line of JSON each.</summary>
    JsonLines,

    /// <summary>A trace of OpenTelemetry, as JSON.</summary>
    Otlp,
}

/// <summary>
/// <para type="synopsis">
/// Writes a report of a past run into a file: a page with its timeline, JSON, a trace, JUnit. Or serves one of a run that goes on.
/// </para>
/// </summary>
[Cmdlet(
    VerbsData.Export,
    "NixBuildReport",
    DefaultParameterSetName = FileSet,
    SupportsShouldProcess = true,
    ConfirmImpact = ConfirmImpact.Low)]
[OutputType(typeof(FileInfo), typeof(string))]
public sealed class ExportNixBuildReportCommand : AsyncCommand
{
    private const string FileSet = "Path";
    private const string CollectorSet = "Collector";
    private const string LiveSet = "Live";

    private readonly List<string> runs = [];

    /// <summary>The file.</summary>
    [Parameter(Mandatory = true, Position = 0, ParameterSetName = FileSet)]
    [ValidateNotNullOrEmpty]
    public string Path { get; set; } = "";

    /// <summary>
    /// The id of the run, or the beginning of it. By default the last in which something was built, or failed to; with Live the newest that
    /// goes on.
    /// </summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [Alias("RunId", "Id")]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(RunCompleter))]
    public string? Run { get; set; }

    /// <summary>
    /// The id of an earlier run, or the beginning of it: what got slower or faster since, what is new, gone or failed. For a page, JSON and
    /// Markdown.
    /// </summary>
    [Parameter(ParameterSetName = FileSet)]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(RunCompleter))]
    public string? ComparedTo { get; set; }

    /// <summary>
    /// Serves a page that follows the run while it goes on, to browsers of this machine, and writes its address. Ends with the run, or with
    /// Ctrl-C.
    /// </summary>
    [Parameter(Mandatory = true, ParameterSetName = LiveSet)]
    public SwitchParameter Live { get; set; }

    /// <summary>The port of the page, of 127.0.0.1. By default a free one.</summary>
    [Parameter(ParameterSetName = LiveSet)]
    [ValidateRange(1, IPEndPoint.MaxPort)]
    public int? Port { get; set; }

    /// <summary>The address of a collector of OpenTelemetry that gets the run as a trace, e.g. <c>http://localhost:4318</c>.</summary>
    [Parameter(Mandatory = true, ParameterSetName = CollectorSet)]
    [ValidateNotNull]
    public Uri? Collector { get; set; }

    /// <summary>
    /// The format. By default the file's name decides: <c>.json</c>, <c>.jsonl</c>, <c>.trace</c>, <c>.otlp.json</c>, <c>.xml</c>,
    /// <c>.md</c>, or a page.
    /// </summary>
    [Parameter(ParameterSetName = FileSet)]
    public ReportFormat? Format { get; set; }

    /// <summary>Does not replace an existing file.</summary>
    [Parameter(ParameterSetName = FileSet)]
    public SwitchParameter NoClobber { get; set; }

    /// <summary>Writes the file as an object.</summary>
    [Parameter(ParameterSetName = FileSet)]
    public SwitchParameter PassThru { get; set; }

    /// <inheritdoc/>
    protected override void ProcessRecord()
    {
        // Results of one run all name it.
        if (Run is not null && !runs.Contains(Run)) runs.Add(Run);
    }

    /// <inheritdoc/>
    protected override void EndProcessing()
    {
        if (MyInvocation.ExpectingInput && runs.Count == 0) return;
        if (Collector is { } collector)
        {
            if (ShouldProcess(collector.ToString(), "Send the trace")) Await((_, cancellation) => SendAsync(collector, cancellation));
            return;
        }
        if (ParameterSetName == LiveSet)
        {
            if (ShouldProcess(runs.FirstOrDefault() ?? "the newest run", "Serve the report on this machine")) Await(ServeAsync);
            return;
        }
        var file = this.FileOf(Path);
        if (!ShouldProcess(file, "Write the report")) return;
        Await((output, _) =>
        {
            RefuseSeveral();
            var format = Format ?? FormatOf(file);
            if (ComparedTo is not null && format is not (ReportFormat.Html or ReportFormat.Json or ReportFormat.Markdown))
            {
                throw new NixBuildFarmException(
                    "NothingToCompare", $"A report as {format} is of one run alone.", "Html, Json and Markdown compare two.");
            }
            if (NoClobber && File.Exists(file))
            {
                throw new NixBuildFarmException("FileExists", $"{file} is there already.", "Name another file, or leave -NoClobber out.");
            }
            Write(file, format, Find());
            if (PassThru) output.Object(new FileInfo(file));
            return Task.CompletedTask;
        });
    }

    private async Task ServeAsync(CommandOutput output, CancellationToken cancellation)
    {
        RefuseSeveral();
        await new LiveReport(RunEvents.Find(runs.FirstOrDefault())).ServeAsync(Port, output, cancellation);
    }

    private async Task SendAsync(Uri collector, CancellationToken cancellation)
    {
        RefuseSeveral();
        await TraceCollector.SendAsync(collector, Find().ToReport(), cancellation);
    }

    private void RefuseSeveral()
    {
        if (runs.Count <= 1) return;
        throw new NixBuildFarmException(
            "SeveralRuns",
            $"A report is of one run, and these are {runs.Count}: {string.Join(", ", runs.Take(3))}…",
            "Choose one of them: Get-NixBuild -Last 1.");
    }

    private RunRecord Find()
    {
        using var history = ReadOnlyHistory.Open();
        return runs.Count == 1
            ? history.Run(runs[0])
            : history.LatestRun(
                NixBuildStatus.Built, NixBuildStatus.Failed, NixBuildStatus.TimedOut, NixBuildStatus.NoEligibleBuilder,
                NixBuildStatus.DependencyFailed);
    }

    private RunRecord? FindEarlier()
    {
        if (ComparedTo is null) return null;
        using var history = ReadOnlyHistory.Open();
        return history.Run(ComparedTo);
    }

    private void Write(string file, ReportFormat format, RunRecord run)
    {
        var report = run.ToReport(FindEarlier());
        // Written beside it first: a reader sees the old report or the new one.
        var unfinished = $"{file}.{Guid.NewGuid():N}.tmp";
        try
        {
            using (var stream = new FileStream(unfinished, FileMode.CreateNew, FileAccess.Write))
            {
                switch (format)
                {
                    case ReportFormat.Json: ReportJson.Write(report, stream); break;
                    case ReportFormat.ChromeTrace: ChromeTrace.Write(report, stream); break;
                    case ReportFormat.JUnit: JUnitReport.Write(report, stream); break;
                    case ReportFormat.Markdown: MarkdownSummary.Write(report, stream); break;
                    case ReportFormat.JsonLines: RunEventReplay.Write(run, stream); break;
                    case ReportFormat.Otlp: OtlpTrace.Write(report, stream); break;
                    default: HtmlReport.Write(report, stream); break;
                }
            }
            File.Move(unfinished, file, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new NixBuildFarmException(
                "ReportNotWritten",
                $"The report could not be written to {file}: {e.Message}",
                "Name a file in a folder that is there and yours.",
                e);
        }
        finally
        {
            if (File.Exists(unfinished)) File.Delete(unfinished);
        }
    }

    private static ReportFormat FormatOf(string file) => file switch
    {
        _ when file.EndsWith(".trace", StringComparison.OrdinalIgnoreCase)
            || file.EndsWith(".trace.json", StringComparison.OrdinalIgnoreCase) =>
            ReportFormat.ChromeTrace,
        _ when file.EndsWith(".otlp.json", StringComparison.OrdinalIgnoreCase) => ReportFormat.Otlp,
        _ when file.EndsWith(".jsonl", StringComparison.OrdinalIgnoreCase) => ReportFormat.JsonLines,
        _ when file.EndsWith(".xml", StringComparison.OrdinalIgnoreCase) => ReportFormat.JUnit,
        _ when file.EndsWith(".md", StringComparison.OrdinalIgnoreCase) => ReportFormat.Markdown,
        _ when file.EndsWith(".json", StringComparison.OrdinalIgnoreCase) => ReportFormat.Json,
        _ => ReportFormat.Html,
    };
}
