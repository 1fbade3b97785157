using System.Management.Automation;
using NixBuildFarm.Errors;
using NixBuildFarm.Hosting;
using NixBuildFarm.Reporting;

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
}

/// <summary>
/// <para type="synopsis">Writes a report of a past run into a file: a page with its timeline, JSON, or a trace.</para>
/// </summary>
[Cmdlet(VerbsData.Export, "NixBuildReport", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Low)]
[OutputType(typeof(FileInfo))]
public sealed class ExportNixBuildReportCommand : AsyncCommand
{
    private readonly List<string> runs = [];

    /// <summary>The file.</summary>
    [Parameter(Mandatory = true, Position = 0)]
    [ValidateNotNullOrEmpty]
    public string Path { get; set; } = "";

    /// <summary>The id of the run, or the beginning of it. By default the last in which something was built, or failed to.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [Alias("RunId", "Id")]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(RunCompleter))]
    public string? Run { get; set; }

    /// <summary>The format. By default the file's name decides: <c>.json</c>, <c>.trace</c>, or a page.</summary>
    [Parameter]
    public ReportFormat? Format { get; set; }

    /// <summary>Does not replace an existing file.</summary>
    [Parameter]
    public SwitchParameter NoClobber { get; set; }

    /// <summary>Writes the file as an object.</summary>
    [Parameter]
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
        var file = this.FileOf(Path);
        if (!ShouldProcess(file, "Write the report")) return;
        Await((output, _) =>
        {
            if (runs.Count > 1)
            {
                throw new NixBuildFarmException(
                    "SeveralRuns",
                    $"One file takes the report of one run, and these are {runs.Count}: {string.Join(", ", runs.Take(3))}…",
                    "Choose one of them: Get-NixBuild -Last 1.");
            }
            if (NoClobber && File.Exists(file))
            {
                throw new NixBuildFarmException("FileExists", $"{file} is there already.", "Name another file, or leave -NoClobber out.");
            }
            using var history = ReadOnlyHistory.Open();
            Write(
                file,
                runs.Count == 1
                    ? history.Run(runs[0])
                    : history.LatestRun(NixBuildStatus.Built, NixBuildStatus.Failed, NixBuildStatus.TimedOut));
            if (PassThru) output.Object(new FileInfo(file));
            return Task.CompletedTask;
        });
    }

    private void Write(string file, RunRecord run)
    {
        var report = run.ToReport();
        // Written beside it first: a reader sees the old report or the new one.
        var unfinished = $"{file}.{Guid.NewGuid():N}.tmp";
        try
        {
            using (var stream = new FileStream(unfinished, FileMode.CreateNew, FileAccess.Write))
            {
                switch (Format ?? FormatOf(file))
                {
                    case ReportFormat.Json: ReportJson.Write(report, stream); break;
                    case ReportFormat.ChromeTrace: ChromeTrace.Write(report, stream); break;
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
        _ when file.EndsWith(".json", StringComparison.OrdinalIgnoreCase) => ReportFormat.Json,
        _ => ReportFormat.Html,
    };
}
