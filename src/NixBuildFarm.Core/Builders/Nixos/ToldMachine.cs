using System.Text.Json;
using NixBuildFarm.Builders.Listing;
using NixBuildFarm.Text;

namespace NixBuildFarm.Builders.Nixos;

/// <summary>
/// A machine in the output of <c>tell.nix</c>: its options by name, each with value, type and place. Problems are reported at their place.
/// </summary>
internal sealed class ToldMachine
{
    private readonly IReadOnlyDictionary<string, Option> options;
    private readonly Place start;
    private readonly EvaluationFailures failures;
    private readonly Action<BuilderProblem> report;

    public ToldMachine(JsonElement told, string source, EvaluationFailures failures, Action<BuilderProblem> report)
    {
        this.failures = failures;
        this.report = report;
        Part = told.GetProperty("part").GetString()!;
        IsSet = told.GetProperty("isSet").GetBoolean();
        options = told.GetProperty("fields").EnumerateObject().ToDictionary(field => field.Name, field => new Option(field.Value, source));
        start = options.Values.Select(option => option.Place).OrderBy(place => place.Line).ThenBy(place => place.Column).FirstOrDefault()
            ?? new(source, 1, 1);
    }

    /// <summary>Its name in the configuration, e.g. <c>nix.buildMachines.0</c>.</summary>
    public string Part { get; }

    /// <summary>Whether it is a set of options at all.</summary>
    public bool IsSet { get; }

    /// <summary>Whether something is so wrong that there is no builder.</summary>
    public bool HasFailed { get; private set; }

    /// <summary>Whether an option is set.</summary>
    public bool Has(string name) => options.ContainsKey(name);

    /// <summary>Refuses it as a whole where it is no set, or has options that are none of <paramref name="known"/>.</summary>
    public void Check(IReadOnlyList<string> known, string example)
    {
        if (failures.ReasonOf(Part) is { } reason)
        {
            Fail(null, "InvalidOption", $"{Part} cannot be evaluated: {reason}", failures.RecommendationFor(Part));
            return;
        }
        if (!IsSet) Fail(null, "InvalidBuildMachine", $"{Part} is no set", $"Write {example}.");
        foreach (var name in options.Keys.Except(known))
        {
            var close = CloseNames.To(name, known);
            Fail(
                name, "UnknownOption", "a builder has no such option",
                close.Count > 0 ? $"Did you mean {string.Join(" or ", close)}?" : $"It has {string.Join(", ", known)}.");
        }
    }

    /// <summary>
    /// A text. One without which there is no builder is an error where it cannot be had; of another one the default holds.
    /// </summary>
    public string? Text(string name, bool isNeeded = false) => Value(name, "a text", isNeeded, JsonValueKind.String)?.GetString();

    public string? Number(string name) => Value(name, "a number", isNeeded: false, JsonValueKind.Number)?.GetRawText();

    public bool? Flag(string name) => Value(name, "true or false", isNeeded: false, JsonValueKind.True, JsonValueKind.False)?.GetBoolean();

    public IReadOnlyList<string> Texts(string name, bool isNeeded = false)
    {
        if (Value(name, "a list of texts", isNeeded, JsonValueKind.Array) is not { } list) return [];
        if (list.EnumerateArray().All(item => item.ValueKind == JsonValueKind.String))
        {
            return [.. list.EnumerateArray().Select(item => item.GetString()!)];
        }
        Fail(name, "InvalidOptionType", "an element of the list is no text", $"Write {name} = [ \"…\" \"…\" ];");
        return [];
    }

    /// <summary>The entry; the name of a field is that of the option it comes from.</summary>
    public MachineEntry ToEntry(IReadOnlyList<string> fieldNames, IEnumerable<(MachineField Field, string Option, string? Text)> texts) =>
        new()
    {
        Source = start.File,
        Line = start.Line,
        Column = start.Column,
        FieldNames = fieldNames,
        Fields = texts.Where(text => !string.IsNullOrEmpty(text.Text)).ToDictionary(
            text => text.Field, text => new MachineFieldText(text.Text!, PlaceOf(text.Option).Line, PlaceOf(text.Option).Column)),
    };

    public void Fail(string? option, string id, string message, string? recommendation)
    {
        HasFailed = true;
        Report(ProblemSeverity.Error, option, id, message, recommendation);
    }

    /// <summary>The value of an option; null if it is not set, is <c>null</c>, or is of an unexpected type.</summary>
    private JsonElement? Value(string name, string expected, bool isNeeded, params JsonValueKind[] kinds)
    {
        if (!options.TryGetValue(name, out var option) || option.Type == "null") return null;
        if (option.Value is not { } value)
        {
            var reason = failures.ReasonOf($"{Part}.{name}");
            var recommendation = failures.RecommendationFor($"{Part}.{name}");
            const string Failed = "its value cannot be evaluated";
            if (isNeeded) Fail(name, "InvalidOption", $"{Failed}: {reason}", recommendation);
            else
            {
                Report(
                    ProblemSeverity.Warning,
                    name,
                    "OptionNotEvaluated",
                    $"{Failed}, and the builder is used without it: {reason}",
                    recommendation);
            }
            return null;
        }
        if (kinds.Contains(value.ValueKind)) return value;
        Fail(name, "InvalidOptionType", $"this is {Described(option.Type)}, and {expected} is expected", null);
        return null;
    }

    private static string Described(string type) => type switch
    {
        "int" or "float" => "a number",
        "bool" => "true or false",
        "string" => "a text",
        _ => $"a {type}",
    };

    private Place PlaceOf(string option) => options.TryGetValue(option, out var found) ? found.Place : start;

    private void Report(ProblemSeverity severity, string? option, string id, string message, string? recommendation)
    {
        var place = option is null ? failures.PlaceOf(Part) ?? start : PlaceOf(option);
        report(new()
        {
            Severity = severity,
            Id = id,
            File = place.File,
            Line = place.Line,
            Column = place.Column,
            Field = option is null ? null : Printable.Escaped(option),
            Message = message,
            Recommendation = recommendation,
        });
    }

    /// <summary>An option: its type, its value unless that fails, and where it is set.</summary>
    private sealed class Option
    {
        public Option(JsonElement told, string source)
        {
            Type = told.GetProperty("type").GetString()!;
            Value = told.TryGetProperty("value", out var value) ? value : null;
            Place = told.GetProperty("place") is { ValueKind: JsonValueKind.Object } place
                ? new(place.GetProperty("file").GetString()!, place.GetProperty("line").GetInt32(), place.GetProperty("column").GetInt32())
                : new(source, 1, 1);
        }

        public string Type { get; }

        public JsonElement? Value { get; }

        public Place Place { get; }
    }
}

/// <summary>Where something stands, both numbers from 1.</summary>
internal sealed record Place(string File, int Line, int Column);
