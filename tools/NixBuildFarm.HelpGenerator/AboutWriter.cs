using System.Text;

namespace NixBuildFarm.HelpGenerator;

/// <summary>
/// Writes a page about_* as the text that Get-Help shows: headings at the margin, the rest set in, lines of 76 characters.
/// </summary>
internal static class AboutWriter
{
    private const int Width = 76;
    private const string Indent = "    ";

    /// <summary>The text of a page.</summary>
    public static string Write(Page page)
    {
        var text = new StringBuilder($"TOPIC\n{Indent}{page.Title}\n");
        foreach (var part in page.Parts) Append(part, text);
        return text.ToString();
    }

    private static void Append(Page part, StringBuilder text)
    {
        text.Append('\n').Append(part.Title).Append('\n');
        string? last = null;
        foreach (var paragraph in part.Paragraphs)
        {
            if (last is not null && !(IsItem(last) && IsItem(paragraph))) text.Append('\n');
            last = paragraph;
            foreach (var line in paragraph.Contains('\n') || paragraph.StartsWith(' ') ? paragraph.Split('\n') : Wrap(paragraph))
            {
                text.Append((Indent + line).TrimEnd()).Append('\n');
            }
        }
        foreach (var lower in part.Parts) Append(lower, text);
    }

    private static bool IsItem(string paragraph) => paragraph.StartsWith("- ", StringComparison.Ordinal);

    private static IEnumerable<string> Wrap(string paragraph)
    {
        var line = new StringBuilder();
        foreach (var word in paragraph.Split(' '))
        {
            if (line.Length > 0 && Indent.Length + line.Length + 1 + word.Length > Width)
            {
                yield return line.ToString();
                // What follows in an item of a list stands under its text.
                line.Clear().Append(IsItem(paragraph) ? "  " : "").Append(word);
                continue;
            }
            if (line.Length > 0) line.Append(' ');
            line.Append(word);
        }
        yield return line.ToString();
    }
}
