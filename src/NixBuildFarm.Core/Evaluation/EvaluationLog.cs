using System.Text.Json;
using NixBuildFarm.Text;

namespace NixBuildFarm.Evaluation;

/// <summary>
/// Parses what a program of Nix writes to its standard error with <c>--log-format internal-json</c>: a line for each message, activity and
/// result. Passes each message on once, even if Nix repeats it.
/// </summary>
/// <param name="heard">Takes the messages.</param>
internal sealed class EvaluationLog(Action<EvaluationMessage>? heard)
{
    private const string Mark = "@nix ";
    private const int WarningLevel = 1;

    // Messages about the way we call Nix, not about the evaluation. Lix begins some with a capital.
    private static readonly string[] OfNoConcern =
    [
        "you did not specify '--add-root'", "ignoring the client-specified setting 'builders'",
        "ignoring the user-specified setting 'builders'",
        "ignoring the client-specified setting 'system'", "ignoring the client-specified setting 'extra-platforms'",
    ];

    private readonly HashSet<EvaluationMessage> passed = [];

    /// <summary>Takes a line. Returns parts of an error as plain text, and passes everything else on.</summary>
    public string? Read(string line)
    {
        // Before Nix knows how to log, e.g. while it reads its arguments, it writes plain text.
        if (!line.StartsWith(Mark, StringComparison.Ordinal)) return ReadPlain(TerminalText.Strip(line));
        try
        {
            using var json = JsonDocument.Parse(line.AsMemory(Mark.Length));
            return Read(json.RootElement);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            return line;
        }
    }

    private string? Read(JsonElement entry)
    {
        switch (Text(entry, "action"))
        {
            case "msg":
                return ReadMessage(
                    entry.TryGetProperty("level", out var level) ? level.GetInt32() : 0, TerminalText.Strip(Text(entry, "msg")).Trim());
            case "start" when TerminalText.Strip(Text(entry, "text")) is { Length: > 0 } text:
                Pass(new(EvaluationMessageKind.Activity, text));
                return null;
            default:
                return null;
        }
    }

    private string? ReadPlain(string line) =>
        line.StartsWith("warning:", StringComparison.Ordinal) ? ReadMessage(WarningLevel, line) : line;

    private string? ReadMessage(int level, string text)
    {
        if (level == 0 && text.StartsWith("error:", StringComparison.Ordinal)) return text;
        if (text.Length == 0 || OfNoConcern.Any(known => text.Contains(known, StringComparison.OrdinalIgnoreCase))) return null;
        Pass(level switch
        {
            0 => new(EvaluationMessageKind.Trace, Without(text, "trace: ")),
            WarningLevel => new(EvaluationMessageKind.Warning, Without(text, "warning: ")),
            _ => new(EvaluationMessageKind.Note, text),
        });
        return null;
    }

    private void Pass(EvaluationMessage message)
    {
        // A trace that is printed twice may be meant so.
        if (message.Kind is EvaluationMessageKind.Warning or EvaluationMessageKind.Note && !passed.Add(message)) return;
        heard?.Invoke(message);
    }

    private static string Without(string text, string prefix) =>
        text.StartsWith(prefix, StringComparison.Ordinal) ? text[prefix.Length..] : text;

    private static string Text(JsonElement entry, string name) =>
        entry.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "";
}
