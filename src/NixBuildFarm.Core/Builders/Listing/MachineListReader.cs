using NixBuildFarm.Text;

namespace NixBuildFarm.Builders.Listing;

/// <summary>Takes a machines list apart: lines, comments, entries, includes. One instance reads one list.</summary>
internal sealed class MachineListReader(NixBuilder local, Func<string, string?> readFile, Func<string, string, MachineEntries>? readToml)
{
    // Files that include each other twice, level by level, double with each level without ever forming a cycle.
    private const int MaxIncludes = 1000;

    private readonly List<NixBuilder> builders = [];
    private readonly List<BuilderProblem> problems = [];
    private readonly BuilderNames names = new();
    private readonly Stack<string> open = new();
    private int includes;

    public MachineList Read(string text, string source)
    {
        ReadText(text, source);
        return new MachineList(builders, problems);
    }

    private void ReadText(string text, string source)
    {
        if (text.Contains('\0'))
        {
            problems.Add(new MachineListEntry(source, 1, 1, "").Problem(
                ProblemSeverity.Error, "MachineListNotText", "this is not a text file"));
            return;
        }
        if (readToml is not null && MachineList.IsToml(text))
        {
            Take(readToml(text, source));
            return;
        }
        open.Push(source);
        var lines = text.Split('\n');
        for (var i = 0; i < lines.Length; i++)
        {
            foreach (var entry in EntriesOf(lines[i], source, i + 1)) ReadEntry(entry);
        }
        open.Pop();
    }

    /// <summary>Makes builders of entries that another reader has found.</summary>
    public MachineList Take(MachineEntries found)
    {
        problems.AddRange(found.Problems);
        foreach (var entry in found.Entries) ReadEntry(entry);
        return new MachineList(builders, problems);
    }

    private static IEnumerable<MachineListEntry> EntriesOf(string line, string source, int number)
    {
        var comment = line.IndexOf('#');
        if (comment >= 0) line = line[..comment];
        var start = 0;
        foreach (var part in line.Split(';'))
        {
            var text = part.Trim(MachineListEntry.Blanks);
            if (text.Length > 0)
            {
                yield return new MachineListEntry(source, number, start + part.IndexOf(text, StringComparison.Ordinal) + 1, text);
            }
            start += part.Length + 1;
        }
    }

    private void ReadEntry(MachineListEntry entry)
    {
        if (entry.Text[0] == '@')
        {
            Include(entry);
        }
        else
        {
            ReadEntry(entry.ToEntry());
            if (entry.Surplus is { } surplus) problems.Add(surplus);
        }
    }

    private void ReadEntry(MachineEntry entry)
    {
        if (new MachineEntryReader(entry, local, names, problems.Add).Read() is { } builder) builders.Add(builder);
    }

    private void Include(MachineListEntry entry)
    {
        var path = entry.Text[1..].Trim(MachineListEntry.Blanks);
        if (path.Length == 0)
        {
            problems.Add(entry.Problem(ProblemSeverity.Error, "IncludeWithoutPath", "no file follows the “@”"));
            return;
        }
        if (Path.IsPathRooted(open.Peek())) path = Path.GetFullPath(path, Path.GetDirectoryName(open.Peek()) ?? "/");
        if (open.Contains(path))
        {
            problems.Add(entry.Problem(
                ProblemSeverity.Error, "IncludeCycle",
                $"{Printable.Quote(path)} includes itself: {string.Join(" → ", open.Reverse().Append(path).Select(Printable.Escaped))}",
                "Remove one of these @ entries."));
            return;
        }
        if (++includes > MaxIncludes)
        {
            if (includes == MaxIncludes + 1)
            {
                problems.Add(
                    entry.Problem(
                        ProblemSeverity.Error, "TooManyIncludes", $"more than {MaxIncludes} files are included; the rest is not read"));
            }
            return;
        }
        try
        {
            if (readFile(path) is { } text)
            {
                ReadText(text, path);
            }
            else
            {
                problems.Add(entry.Problem(
                    ProblemSeverity.Warning, "IncludeNotFound", $"there is no file {Printable.Quote(path)}",
                    "Write the list to this file, or remove the @ entry (without one, the setting “builders” is “@/etc/nix/machines”)."));
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            problems.Add(entry.Problem(ProblemSeverity.Error, "IncludeUnreadable", $"{Printable.Quote(path)} cannot be read: {e.Message}"));
        }
    }
}

/// <summary>The text between two <c>;</c> of a list: an entry or an include, and where it stands.</summary>
internal sealed record MachineListEntry(string Source, int Line, int Column, string Text)
{
    /// <summary>The separators of columns. A line may end in <c>\r\n</c>.</summary>
    public static readonly char[] Blanks = [' ', '\t', '\r'];

    /// <summary>The problem of an entry that has more columns than there are fields; null: none.</summary>
    /// <remarks>A host key that is not encoded has blanks, and is complained of as that.</remarks>
    public BuilderProblem? Surplus => Columns().Skip(MachineEntry.ListFieldNames.Count).FirstOrDefault() is { } first
        && !HostKeyLine.IsKeyType(Columns().ElementAt((int)MachineField.HostKey).Text)
        ? Problem(
            ProblemSeverity.Warning, "TooManyColumns",
            $"only {MachineEntry.ListFieldNames.Count} columns are read; what follows is ignored",
            "Write several systems or features with commas, without blanks.", first.Column)
        : null;

    /// <summary>The entry by its fields.</summary>
    public MachineEntry ToEntry() => new()
    {
        Source = Source,
        Line = Line,
        Column = Column,
        FieldNames = MachineEntry.ListFieldNames,
        IsHostKeyEncoded = true,
        IsColumns = true,
        Fields = Columns()
            .Take(MachineEntry.ListFieldNames.Count)
            .Select((column, index) => (Field: (MachineField)index, Text: column))
            .Where(c => c.Text.Text != "-")
            .ToDictionary(c => c.Field, c => c.Text),
    };

    public BuilderProblem Problem(ProblemSeverity severity, string id, string message, string? recommendation = null, int? column = null) =>
        new()
    {
        Severity = severity,
        Id = id,
        File = Source,
        Line = Line,
        Column = column ?? Column,
        Message = message,
        Recommendation = recommendation,
    };

    private IEnumerable<MachineFieldText> Columns()
    {
        var start = 0;
        foreach (var part in Text.Split(Blanks))
        {
            if (part.Length > 0) yield return new(part, Line, Column + start);
            start += part.Length + 1;
        }
    }
}
