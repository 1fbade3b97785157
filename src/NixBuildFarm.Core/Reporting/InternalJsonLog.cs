using System.Buffers;
using System.Text.Json;
using NixBuildFarm.Observing;
using NixBuildFarm.Platform;
using NixBuildFarm.Protocol;

namespace NixBuildFarm.Reporting;

/// <summary>
/// Writes a run as the lines of Nix's <c>--log-format internal-json</c>, which nix-output-monitor and others read. If the lines cannot be
/// written any more, the run goes on without them.
/// </summary>
public sealed class InternalJsonLog : IBuildObserver, IDisposable
{
    private readonly object gate = new();
    private readonly ArrayBufferWriter<byte> line = new();
    private readonly BestEffortOutput output;
    private readonly RunActivities activities;

    /// <summary>Writes to a stream, which it closes at its end.</summary>
    /// <param name="output">Where lines go.</param>
    /// <param name="onFailure">Receives the first failure to write.</param>
    public InternalJsonLog(Stream output, Action<Exception> onFailure)
    {
        this.output = new(output, onFailure);
        activities = new(Write);
    }

    /// <inheritdoc/>
    public void Observe(RunNews news)
    {
        lock (gate)
        {
            activities.Observe(news);
            if (news is RunNews.Progressed) output.Write(stream => stream.Flush());
        }
    }

    /// <summary>Ends the open activities, and closes the stream.</summary>
    public void Dispose()
    {
        lock (gate)
        {
            if (!output.IsOpen) return;
            activities.End();
            output.Dispose();
        }
    }

    private void Write(DaemonMessage message)
    {
        if (!output.IsOpen) return;
        line.ResetWrittenCount();
        line.Write("@nix "u8);
        using (var json = new Utf8JsonWriter(line))
        {
            json.WriteStartObject();
            Write(json, message);
            json.WriteEndObject();
        }
        line.Write("\n"u8);
        output.Write(stream => stream.Write(line.WrittenSpan));
    }

    private static void Write(Utf8JsonWriter json, DaemonMessage message)
    {
        switch (message)
        {
            case ActivityStarted started:
                json.WriteString("action", "start");
                json.WriteNumber("id", started.Id);
                json.WriteNumber("level", (int)started.Level);
                json.WriteNumber("parent", started.Parent);
                json.WriteString("text", started.Text);
                json.WriteNumber("type", (int)started.Type);
                WriteFields(json, started.Fields);
                break;
            case ActivityStopped stopped:
                json.WriteString("action", "stop");
                json.WriteNumber("id", stopped.Id);
                break;
            case var _ when ActivityResult.Of(message) is { } result:
                json.WriteString("action", "result");
                json.WriteNumber("id", result.Activity);
                json.WriteNumber("type", (int)result.Type);
                WriteFields(json, result.Fields);
                break;
            case DaemonLogLine text:
                json.WriteString("action", "msg");
                json.WriteNumber("level", (int)text.Level);
                json.WriteString("msg", text.Text);
                break;
            default: throw new InvalidOperationException($"{message} has no form in internal-json.");
        }
    }

    private static void WriteFields(Utf8JsonWriter json, IReadOnlyList<ActivityField> fields)
    {
        json.WriteStartArray("fields");
        foreach (var field in fields)
        {
            if (field.Text is null) json.WriteNumberValue(field.Number);
            else json.WriteStringValue(field.Text);
        }
        json.WriteEndArray();
    }
}
