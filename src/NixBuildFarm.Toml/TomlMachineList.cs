using System.Text;
using NixBuildFarm.Builders;
using NixBuildFarm.Builders.Listing;
using Tomlyn;
using Tomlyn.Model;
using Tomlyn.Parsing;
using Tomlyn.Syntax;

namespace NixBuildFarm.Toml;

/// <summary>
/// The machines list that Lix reads since 2.95: <c>version = 1</c>, then a table <c>[machines.NAME]</c> for each builder. Unlike Lix, one
/// bad table does not spoil the list. This is the only public type of the assembly, so that its package stays its own.
/// </summary>
public static class TomlMachineList
{
    private const int Version = 1;
    private const string VersionKey = "version";
    private const string MachinesTable = "machines";

    /// <summary>Parses a list. Never throws for the contents of the text.</summary>
    /// <param name="text">The list.</param>
    /// <param name="source">The file it comes from, for messages.</param>
    public static MachineEntries Read(string text, string source)
    {
        var problems = new List<BuilderProblem>();
        var machines = new Dictionary<string, TomlMachine>(StringComparer.Ordinal);
        var hasVersion = false;
        foreach (var part in Parts(text, source))
        {
            foreach (var error in part.Document.Diagnostics.Where(d => d.Kind == DiagnosticMessageKind.Error).Take(1))
            {
                Report(
                    part.PlaceOf(error.Span),
                    null,
                    "InvalidToml",
                    $"{error.Message.TrimEnd('.')}; this table is not read",
                    "Correct the table; toml.io has the language.");
            }
            if (!part.Document.HasErrors) ReadPart(part);
        }
        if (!hasVersion)
        {
            Report(
                new(1, 1), VersionKey, "MissingTomlVersion", $"the version is missing; the list is read as version {Version}",
                $"Begin the list with version = {Version}.", ProblemSeverity.Warning);
        }
        return new([.. machines.Values.Where(machine => !machine.HasFailed).Select(machine => machine.ToEntry())], problems);

        void ReadPart(TomlPart part)
        {
            foreach (var (path, place, value) in part.Lines())
            {
                switch (path)
                {
                    case [VersionKey] when value is not null:
                        hasVersion = true;
                        if (value is IntegerValueSyntax { Value: Version }) break;
                        Report(
                            place,
                            VersionKey,
                            "UnknownTomlVersion",
                            $"only version {Version} is known; the list is read as such",
                            $"Write version = {Version}.",
                            ProblemSeverity.Warning);
                        break;
                    case [MachinesTable] when value is null:
                        break;
                    case [MachinesTable, var name] when value is null:
                        Machine(name, place);
                        break;
                    case [MachinesTable, var name, var key] when value is not null:
                        Machine(name, place).Set(key, place, value, part);
                        break;
                    default:
                        Report(
                            place,
                            null,
                            "UnknownTomlKey",
                            $"{string.Join('.', path)} has no meaning in a machines list",
                            "Each builder is a table [machines.NAME].");
                        break;
                }
            }
        }

        TomlMachine Machine(string name, TomlPlace place)
        {
            if (!machines.TryGetValue(name, out var machine)) machines.Add(name, machine = new(name, source, place, problems.Add));
            return machine;
        }

        void Report(
            TomlPlace place,
            string? field,
            string id,
            string message,
            string recommendation,
            ProblemSeverity severity = ProblemSeverity.Error) =>
            problems.Add(new()
        {
            Severity = severity,
            Id = id,
            File = source,
            Line = place.Line,
            Column = place.Column,
            Field = field,
            Message = message,
            Recommendation = recommendation,
        });
    }

    /// <summary>Writes a list.</summary>
    public static string Write(IEnumerable<NixBuilder> builders)
    {
        var machines = new TomlTable();
        foreach (var builder in builders) machines.Add(builder.Name, TomlMachine.Describe(builder));
        return TomlSerializer.Serialize(new TomlTable { [VersionKey] = (long)Version, [MachinesTable] = machines });
    }

    /// <summary>The text as a whole; where that is no TOML, table by table, so that a mistake in one leaves the others readable.</summary>
    private static IEnumerable<TomlPart> Parts(string text, string source)
    {
        var whole = new TomlPart(Parse(text, source), FirstLine: 1);
        if (!whole.Document.HasErrors) return [whole];
        var lines = text.Split('\n');
        int[] starts = [0, .. Enumerable.Range(1, lines.Length - 1).Where(i => lines[i].TrimStart().StartsWith('[')), lines.Length];
        return starts.Zip(starts.Skip(1), (from, to) => new TomlPart(Parse(string.Join('\n', lines[from..to]), source), from + 1));
    }

    // Tomlyn throws at half a surrogate pair behind a backslash, and where a text ends behind one. As bytes and back, halves become U+FFFD;
    // a line's end makes such a text one that is wrong; and all else keeps its place.
    private static DocumentSyntax Parse(string text, string source) =>
        SyntaxParser.Parse(Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text)) + "\n", source, validate: true);
}
