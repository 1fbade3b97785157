using System.Collections;
using System.Globalization;
using System.Management.Automation;
using System.Text.RegularExpressions;
using NixBuildFarm.Builders.Listing;
using NixBuildFarm.Text;

namespace NixBuildFarm.Builders;

/// <summary>
/// Makes builders of objects that describe them, such as the rows of a table (<c>Import-Csv</c>): properties are called as those of
/// a NixBuilder.
/// </summary>
internal sealed partial class BuilderObjects(NixBuilder local)
{
    private const string Source = "pipeline";

    // In the order of MachineField; the first name is used in messages.
    private static readonly string[][] FieldNames =
    [
        ["Uri"],
        ["Systems", "System"],
        ["IdentityFile"],
        ["MaxJobs"],
        ["SpeedFactor"],
        ["SupportedFeatures"],
        ["MandatoryFeatures"],
        ["HostKey"],
    ];

    private static readonly string[] OtherNames =
    [
        "Name", "HostName", "ComputerName", "User", "Port", "Scheme", "Enabled", "UsesSubstitutes",
    ];
    private static readonly string[] Known = [.. FieldNames.SelectMany(names => names), .. OtherNames];

    // A row that Export-Csv has made of a builder has them all.
    private static readonly string[] OfBuilders = [.. typeof(NixBuilder).GetProperties().Select(property => property.Name)];
    private static readonly char[] Separators = [',', ';', ' ', '\t', '\n', '\r'];

    private readonly List<MachineEntry> entries = [];
    private readonly List<BuilderProblem> problems = [];
    private int count;

    /// <summary>Takes the next object.</summary>
    public void Add(PSObject description)
    {
        count++;
        WarnOfMisspelling(description);
        var fields = FieldNames.Select(
            (names, index) => (Field: (MachineField)index, Text: TextOf(description, (MachineField)index, names)))
            .Where(field => field.Text is not null)
            .ToDictionary(field => field.Field, field => new MachineFieldText(field.Text!, count, 1));
        if (!fields.ContainsKey(MachineField.Uri) && Address(description) is { } address)
        {
            fields.Add(MachineField.Uri, new(address, count, 1));
        }
        entries.Add(new()
        {
            Source = Source,
            Line = count,
            Name = Text(description, "Name"),
            Fields = fields,
            FieldNames = [.. FieldNames.Select(names => names[0])],
            Enabled = Switch(description, "Enabled") ?? true,
            UsesSubstitutes = Switch(description, "UsesSubstitutes"),
        });
    }

    /// <summary>The builders of all objects; names are unique among them.</summary>
    public MachineList ToBuilders() => MachineList.FromEntries(new(entries, problems), local);

    private bool? Switch(PSObject description, string name)
    {
        switch (Text(description, name)?.ToUpperInvariant())
        {
            case null: return null;
            case "TRUE" or "YES" or "1": return true;
            case "FALSE" or "NO" or "0": return false;
            case var other:
                Warn(name, "InvalidSwitch", $"“{other}” is neither True nor False, and is passed over", "Write True or False.");
                return null;
        }
    }

    private static string? Address(PSObject description)
    {
        if ((Text(description, "HostName") ?? Text(description, "ComputerName") ?? Text(description, "Name")) is not { } host) return null;
        var scheme = Text(description, "Scheme") is { } written
            && written.Equals(nameof(StoreScheme.Ssh), StringComparison.OrdinalIgnoreCase)
            ? "ssh"
            : "ssh-ng";
        var bracketed = host.Contains(':') && !host.StartsWith('[') ? $"[{host}]" : host;
        return string.Concat(
            scheme,
            "://",
            Text(description, "User") is { } user ? user + "@" : "",
            bracketed,
            Text(description, "Port") is { } port ? ":" + port : "");
    }

    private string? TextOf(PSObject description, MachineField field, string[] names)
    {
        var value = names.Select(name => description.Properties[name]?.Value).FirstOrDefault(value => value is not null);
        var isList = field is MachineField.Systems or MachineField.SupportedFeatures or MachineField.MandatoryFeatures;
        if (isList && value is string written && ListType().IsMatch(written)) WarnOfListType(names[0], written);
        var text = isList
            ? string.Join(',', Items(value).SelectMany(item => item.Split(Separators, StringSplitOptions.RemoveEmptyEntries)))
            : Text(value);
        // Export-Csv writes numbers as the user's culture does.
        if (field == MachineField.SpeedFactor && !double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out _)
            && double.TryParse(text, NumberStyles.Float, CultureInfo.CurrentCulture, out var factor))
        {
            text = factor.ToString("R", CultureInfo.InvariantCulture);
        }
        return string.IsNullOrWhiteSpace(text) ? null : text;
    }

    private static IEnumerable<string> Items(object? value) => (value is PSObject wrapped ? wrapped.BaseObject : value) switch
    {
        null => [],
        string text => [text],
        IEnumerable list => list.Cast<object?>().Select(item => Text(item) ?? ""),
        var other => [Text(other) ?? ""],
    };

    private static string? Text(PSObject description, string name) =>
        Text(description.Properties[name]?.Value) is { } text && !string.IsNullOrWhiteSpace(text) ? text.Trim() : null;

    private static string? Text(object? value) =>
        LanguagePrimitives.ConvertTo(value, typeof(string), CultureInfo.InvariantCulture) as string;

    // A table may have columns for other purposes; a misspelt name is a mistake.
    private void WarnOfMisspelling(PSObject description)
    {
        foreach (var name in description.Properties.Select(property => property.Name)
            .Where(
                name =>
                    !Known.Contains(name, StringComparer.OrdinalIgnoreCase)
                        && !OfBuilders.Contains(name, StringComparer.OrdinalIgnoreCase)))
        {
            if (CloseNames.To(name, Known) is not [var close, ..] || description.Properties[close] is not null) continue;
            Warn(name, "UnknownProperty", "a builder has no such property, and it is ignored", $"Did you mean {close}?");
        }
    }

    // Export-Csv writes this for an array.
    private void WarnOfListType(string property, string written) =>
        Warn(
            property, "ListTypeAsText", $"“{written}” is the type of a list and not what is in it",
            "Join the list before it is written: @{ Name = 'Systems'; Expression = { $_.Systems -join ',' } }.");

    private void Warn(string property, string id, string message, string recommendation) => problems.Add(new()
    {
        Severity = ProblemSeverity.Warning,
        Id = id,
        File = Source,
        Line = count,
        Column = 1,
        Field = property,
        Message = message,
        Recommendation = recommendation,
    });

    [GeneratedRegex(@"\ASystem\.\w+\[\]\z", RegexOptions.NonBacktracking)]
    private static partial Regex ListType();
}
