using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using NixBuildFarm.History;

namespace NixBuildFarm.Reporting;

/// <summary>
/// The report as a trace of OpenTelemetry (OTLP as JSON, version 1 of its protocol): the run is the trace and its first span, and below it
/// is a span for each build, each supply of inputs, each failed try and each copy home. A build has links to the builds that it needed. The
/// same run has the same ids each time, so that a collector which gets it twice has it once.
/// </summary>
public static class OtlpTrace
{
    /// <summary>What a collector's address has behind it for traces.</summary>
    public const string Path = "v1/traces";

    // Of the protocol: SPAN_KIND_INTERNAL, STATUS_CODE_OK and STATUS_CODE_ERROR.
    private const int Internal = 1, Ok = 1, Error = 2;

    /// <summary>Writes it.</summary>
    public static void Write(RunReport report, Stream output)
    {
        using var json = new Utf8JsonWriter(output);
        json.WriteStartObject();
        json.WriteStartArray("resourceSpans");
        json.WriteStartObject();
        json.WriteStartObject("resource");
        WriteAttributes(json, ("service.name", "nixbuildfarm"), ("host.name", Environment.MachineName));
        json.WriteEndObject();
        json.WriteStartArray("scopeSpans");
        json.WriteStartObject();
        json.WriteStartObject("scope");
        json.WriteString("name", "NixBuildFarm");
        json.WriteEndObject();
        json.WriteStartArray("spans");
        new Spans(json, report).Write();
        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteAttributes(Utf8JsonWriter json, params IEnumerable<(string Key, object? Value)> attributes)
    {
        json.WriteStartArray("attributes");
        foreach (var (key, value) in attributes)
        {
            if (value is null) continue;
            json.WriteStartObject();
            json.WriteString("key", key);
            json.WriteStartObject("value");
            // Integers of 64 bits are text in JSON of protocol buffers.
            if (value is long or int) json.WriteString("intValue", Convert.ToString(value, CultureInfo.InvariantCulture));
            else if (value is double number) json.WriteNumber("doubleValue", number);
            else if (value is bool flag) json.WriteBoolean("boolValue", flag);
            else json.WriteString("stringValue", value.ToString());
            json.WriteEndObject();
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private sealed class Spans(Utf8JsonWriter json, RunReport report)
    {
        private readonly string trace = Id(report.RunId, 16);
        private readonly string root = Id($"{report.RunId} run", 8);

        public void Write()
        {
            Begin("run " + string.Join(", ", report.Requested), root, parent: null, 0, report.Seconds);
            WriteAttributes(
                json, ("nix.run", report.RunId), ("nix.state", report.State.ToString()), ("nix.derivations", report.Jobs.Count),
                ("nix.lower_bound_seconds", report.LowerBound));
            End(report.State == RunState.Succeeded, report.Error);
            if (report.EvaluationSeconds > 0)
            {
                Begin("evaluate", Id($"{report.RunId} evaluation", 8), root, 0, report.EvaluationSeconds);
                End(isGood: true, message: null);
            }
            for (var job = 0; job < report.Jobs.Count; job++) WriteJob(job);
            for (var copy = 0; copy < report.Copies.Count; copy++) WriteCopy(copy);
        }

        private void WriteJob(int index)
        {
            var job = report.Jobs[index];
            for (var i = 0; i < job.Attempts.Count; i++)
            {
                var attempt = job.Attempts[i];
                Begin($"try {job.Name}", Id($"{report.RunId} {index} try {i}", 8), root, attempt.Start, attempt.Seconds);
                WriteAttributes(json, [.. Place(job, attempt.Builder)]);
                End(isGood: attempt.GaveWay, attempt.Reason);
            }
            if (job.Start is not { } start) return;
            if (job.SupplyStart is { } supply && supply < start)
            {
                Begin($"supply {job.Name}", Id($"{report.RunId} {index} supply", 8), root, supply, start - supply);
                WriteAttributes(json, [.. Place(job, job.Builder), ("nix.supplied_bytes", job.SuppliedBytes)]);
                End(isGood: true, message: null);
            }
            Begin(job.Name, IdOf(index), root, start, job.Seconds);
            WriteAttributes(
                json,
                [
                    .. Place(job, job.Builder), ("nix.status", job.Status?.ToString()), ("nix.cores", job.Cores),
                    ("nix.phase", job.Phase), ("nix.output_bytes", job.OutputBytes), ("nix.peak_memory_bytes", job.PeakMemory),
                    ("nix.expected_seconds", job.ExpectedSeconds), ("nix.expected_is_guess", job.IsGuess),
                ]);
            json.WriteStartArray("links");
            foreach (var needed in job.Dependencies.Where(other => report.Jobs[other].Start is not null))
            {
                json.WriteStartObject();
                json.WriteString("traceId", trace);
                json.WriteString("spanId", IdOf(needed));
                json.WriteEndObject();
            }
            json.WriteEndArray();
            End(job.Status?.IsSuccess() != false, job.Error);
        }

        private void WriteCopy(int index)
        {
            var copy = report.Copies[index];
            var from = report.Builders[copy.Builder].Name;
            Begin($"bring home from {from}", Id($"{report.RunId} copy {index}", 8), root, copy.Start, copy.Seconds);
            WriteAttributes(json, ("nix.builder", from), ("nix.bytes", copy.Bytes), ("nix.derivations", copy.Jobs.Count));
            End(isGood: true, message: null);
        }

        private IEnumerable<(string, object?)> Place(ReportJob job, int? builder) =>
        [
            ("nix.derivation", job.DerivationPath), ("nix.system", job.System),
            ("nix.builder", builder is { } row ? report.Builders[row].Name : null),
        ];

        private void Begin(string name, string id, string? parent, double start, double seconds)
        {
            json.WriteStartObject();
            json.WriteString("traceId", trace);
            json.WriteString("spanId", id);
            if (parent is not null) json.WriteString("parentSpanId", parent);
            json.WriteString("name", name);
            json.WriteNumber("kind", Internal);
            json.WriteString("startTimeUnixNano", Nanoseconds(start));
            json.WriteString("endTimeUnixNano", Nanoseconds(start + Math.Max(0, seconds)));
        }

        private void End(bool isGood, string? message)
        {
            json.WriteStartObject("status");
            if (message is not null && !isGood) json.WriteString("message", message);
            json.WriteNumber("code", isGood ? Ok : Error);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        private string Nanoseconds(double seconds)
        {
            var ticks = (report.Started - DateTimeOffset.UnixEpoch).Ticks + (long)(seconds * TimeSpan.TicksPerSecond);
            return (ticks * TimeSpan.NanosecondsPerTick).ToString(CultureInfo.InvariantCulture);
        }

        private string IdOf(int job) => Id($"{report.RunId} {job}", 8);

        private static string Id(string of, int bytes) =>
            Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(of)), 0, bytes).ToLowerInvariant();
    }
}
