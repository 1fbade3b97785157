using System.Globalization;
using System.Text;

namespace NixBuildFarm.Text;

/// <summary>Foreign text in messages: shortened, and without characters that a terminal would obey.</summary>
internal static class Printable
{
    private const int Longest = 80;

    /// <summary>The text in quotation marks.</summary>
    public static string Quote(string text) => $"“{Text(text)}”";

    /// <summary>The text, characters of control and of writing direction as <c>\u001B</c>.</summary>
    public static string Text(string text)
    {
        var result = new StringBuilder();
        foreach (var c in text.AsSpan(0, Math.Min(text.Length, Longest)))
        {
            if (IsUnprintable(c)) result.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:X4}");
            else result.Append(c);
        }
        if (text.Length > Longest) result.Append('…');
        return result.ToString();
    }

    /// <summary>Whether a terminal would do something else with it than show it.</summary>
    public static bool IsUnprintable(char c) =>
        char.GetUnicodeCategory(c) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator;
}
