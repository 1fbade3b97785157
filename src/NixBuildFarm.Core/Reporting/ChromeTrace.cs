using System.Text.Json;

namespace NixBuildFarm.Reporting;

/// <summary>
/// The report in the Trace Event Format, which Perfetto and chrome://tracing show: a process for each builder, a thread for each of its
/// lanes, and a process for copies back. Times are in microseconds.
/// </summary>
public static class ChromeTrace
{
    private const double Microseconds = 1e6;

    /// <summary>Writes it.</summary>
    public static void Write(RunReport report, Stream output)
    {
        using var json = new Utf8JsonWriter(output);
        json.WriteStartObject();
        json.WriteString("displayTimeUnit", "ms");
        json.WriteStartObject("otherData");
        json.WriteString("run", report.RunId);
        json.WriteString("started", report.Started);
        json.WriteEndObject();
        json.WriteStartArray("traceEvents");
        for (var row = 0; row < report.Builders.Count; row++)
        {
            WriteNames(json, report.Builders[row].Name, report.Builders[row].Lanes, "slot", row);
        }
        foreach (var job in report.Jobs) WriteJob(json, job);
        if (report.Copies.Count > 0) WriteCopies(json, report);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteNames(Utf8JsonWriter json, string name, int lanes, string laneName, int row)
    {
        WriteName(json, "process_name", row, lane: 0, name);
        for (var lane = 0; lane < lanes; lane++) WriteName(json, "thread_name", row, lane, $"{laneName} {lane + 1}");
    }

    private static void WriteCopies(Utf8JsonWriter json, RunReport report)
    {
        var row = report.Builders.Count;
        WriteNames(json, "copies home", report.CopyLanes, "copy", row);
        foreach (var copy in report.Copies)
        {
            var detail = $"{copy.Jobs.Count} from {report.Builders[copy.Builder].Name}, {copy.Bytes} bytes";
            WriteSpan(json, report.Jobs[copy.Jobs[0]], "home", row, copy.Lane, copy.Start, copy.Seconds, detail);
        }
    }

    private static void WriteName(Utf8JsonWriter json, string what, int row, int lane, string name)
    {
        json.WriteStartObject();
        json.WriteString("ph", "M");
        json.WriteString("name", what);
        WritePlace(json, row, lane);
        json.WriteStartObject("args");
        json.WriteString("name", name);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteJob(Utf8JsonWriter json, ReportJob job)
    {
        if (job is { Builder: { } row, Lane: { } lane })
        {
            if (job.SupplyStart is { } supply && (job.Start ?? supply) > supply)
            {
                WriteSpan(json, job, "supply", row, lane, supply, job.Start!.Value - supply, detail: null);
            }
            if (job.Start is { } start) WriteSpan(json, job, job.Status?.ToString() ?? "Running", row, lane, start, job.Seconds, job.Error);
        }
        foreach (var attempt in job.Attempts)
        {
            if (attempt is not { Builder: { } where, Lane: { } there }) continue;
            WriteSpan(json, job, attempt.GaveWay ? "hedge" : "retry", where, there, attempt.Start, attempt.Seconds, attempt.Reason);
        }
    }

    private static void WriteSpan(
        Utf8JsonWriter json, ReportJob job, string category, int row, int lane, double start, double seconds, string? detail)
    {
        json.WriteStartObject();
        json.WriteString("ph", "X");
        json.WriteString("name", job.Name);
        json.WriteString("cat", category);
        WritePlace(json, row, lane);
        json.WriteNumber("ts", Math.Round(start * Microseconds));
        json.WriteNumber("dur", Math.Round(seconds * Microseconds));
        json.WriteStartObject("args");
        json.WriteString("derivation", job.DerivationPath);
        json.WriteString("system", job.System);
        if (detail is not null) json.WriteString("detail", detail);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WritePlace(Utf8JsonWriter json, int row, int lane)
    {
        json.WriteNumber("pid", row + 1);
        json.WriteNumber("tid", lane + 1);
    }
}
