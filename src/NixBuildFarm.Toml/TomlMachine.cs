using System.Globalization;
using NixBuildFarm.Builders;
using NixBuildFarm.Builders.Listing;
using NixBuildFarm.Text;
using Tomlyn.Model;
using Tomlyn.Syntax;

namespace NixBuildFarm.Toml;

/// <summary>A table <c>[machines.NAME]</c> while it is read.</summary>
internal sealed class TomlMachine(string name, string source, TomlPlace start, Action<BuilderProblem> report)
{
    private const string EnableKey = "enable";

    // In the order of MachineField.
    private static readonly string[] FieldNames =
        ["uri", "system-types", "ssh-key", "jobs", "speed-factor", "supported-features", "mandatory-features", "ssh-public-host-key"];

    private static readonly string[] Keys = [.. FieldNames, EnableKey];

    private readonly Dictionary<MachineField, MachineFieldText> fields = [];
    private bool enabled = true;

    /// <summary>Whether something is wrong with it.</summary>
    public bool HasFailed { get; private set; }

    /// <summary>Takes a key. An unknown one is an error, as in Lix.</summary>
    public void Set(string key, TomlPlace place, ValueSyntax value, TomlPart part)
    {
        var at = part.PlaceOf(value.Span);
        if (key == EnableKey)
        {
            if (value is BooleanValueSyntax { Value: var isOn }) enabled = isOn;
            else Fail(key, at, "InvalidTomlType", "true or false is expected", null);
            return;
        }
        var index = Array.IndexOf(FieldNames, key);
        if (index < 0)
        {
            var close = CloseNames.To(key, Keys);
            Fail(
                key,
                place,
                "UnknownTomlKey",
                "a builder has no such key",
                close.Count > 0 ? $"Did you mean {string.Join(" or ", close)}?" : $"It has {string.Join(", ", Keys)}.");
            return;
        }
        var field = (MachineField)index;
        var (text, expected) = field switch
        {
            MachineField.Systems or MachineField.SupportedFeatures or MachineField.MandatoryFeatures =>
                (ListOf(value), "a list of texts without commas"),
            MachineField.MaxJobs =>
                (value is IntegerValueSyntax jobs ? jobs.Value.ToString(CultureInfo.InvariantCulture) : null, "a whole number"),
            MachineField.SpeedFactor => (NumberOf(value), "a number"),
            _ => (value is StringValueSyntax { Value: { } plain } ? plain : null, "a text"),
        };
        if (text is null) Fail(key, at, "InvalidTomlType", $"{expected} is expected", Correction(key, field, value));
        else if (text.Length > 0) fields[field] = new(text, at.Line, at.Column);
    }

    public MachineEntry ToEntry() => new()
    {
        Source = source,
        Line = start.Line,
        Column = start.Column,
        Name = name,
        Enabled = enabled,
        Fields = fields,
        FieldNames = FieldNames,
    };

    /// <summary>The table of a builder, without defaults.</summary>
    public static TomlTable Describe(NixBuilder builder)
    {
        var table = new TomlTable { ["uri"] = builder.Uri, ["system-types"] = ArrayOf(builder.Systems) };
        if (builder.IdentityFile is { } key) table["ssh-key"] = key;
        table["jobs"] = (long)builder.MaxJobs;
        if (builder.SpeedFactor != 1) table["speed-factor"] = builder.SpeedFactor;
        if (builder.SupportedFeatures.Count > 0) table["supported-features"] = ArrayOf(builder.SupportedFeatures);
        if (builder.MandatoryFeatures.Count > 0) table["mandatory-features"] = ArrayOf(builder.MandatoryFeatures);
        if (builder.HostKey is { } hostKey) table["ssh-public-host-key"] = hostKey;
        if (!builder.Enabled) table[EnableKey] = false;
        return table;
    }

    private static TomlArray ArrayOf(IEnumerable<string> items)
    {
        var array = new TomlArray();
        foreach (var item in items) array.Add(item);
        return array;
    }

    /// <summary>How a text is written that should have been a list or a number.</summary>
    private static string? Correction(string key, MachineField field, ValueSyntax value) => (field, value) switch
    {
        (MachineField.Systems or MachineField.SupportedFeatures or MachineField.MandatoryFeatures, StringValueSyntax { Value: { } text }) =>
            $"Write {key} = [ "
                + $"{string.Join(", ", text.Split([',', ' '], StringSplitOptions.RemoveEmptyEntries).Select(item => $"\"{item}\""))} ].",
        (MachineField.MaxJobs or MachineField.SpeedFactor, StringValueSyntax { Value: { } text }) =>
            $"Write {key} = {text}, without quotes.",
        _ => null,
    };

    // A comma within an element would read as two of them.
    private static string? ListOf(ValueSyntax value)
    {
        if (value is not ArraySyntax array) return null;
        var items = array.Items.Select(item => (item.Value as StringValueSyntax)?.Value).ToList();
        return items.TrueForAll(item => item is not null && !item.Contains(',')) ? string.Join(',', items) : null;
    }

    private static string? NumberOf(ValueSyntax value) => value switch
    {
        IntegerValueSyntax whole => whole.Value.ToString(CultureInfo.InvariantCulture),
        FloatValueSyntax number => number.Value.ToString("R", CultureInfo.InvariantCulture),
        _ => null,
    };

    private void Fail(string key, TomlPlace place, string id, string message, string? recommendation)
    {
        HasFailed = true;
        report(new()
        {
            Severity = ProblemSeverity.Error,
            Id = id,
            File = source,
            Line = place.Line,
            Column = place.Column,
            Field = key,
            Message = message,
            Recommendation = recommendation,
        });
    }
}
