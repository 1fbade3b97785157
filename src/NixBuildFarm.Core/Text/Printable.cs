using System.Globalization;
using System.Text;

namespace NixBuildFarm.Text;

/// <summary>
/// Decides which characters of foreign text are printable, and prepares text for a message. There are three uses: <see cref="Escaped"/> for
/// text that a person has to correct, <see cref="Replaced"/> for data of Nix, and <see cref="TerminalText.Strip"/> for the output of
/// programs.
/// </summary>
internal static class Printable
{
    private const int LongestEscaped = 80;
    private const int LongestReplaced = 200;

    /// <summary>The escaped text in quotation marks.</summary>
    public static string Quote(string text) => $"“{Escaped(text)}”";

    /// <summary>The text, shortened; unprintable characters stand there as <c>\u001B</c>, so that they can be found.</summary>
    public static string Escaped(string text)
    {
        var result = new StringBuilder();
        foreach (var c in text.AsSpan(0, Math.Min(text.Length, LongestEscaped)))
        {
            if (IsUnprintable(c)) result.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:X4}");
            else result.Append(c);
        }
        if (text.Length > LongestEscaped) result.Append('…');
        return result.ToString();
    }

    /// <summary>The text, shortened; unprintable characters, and bytes that are no UTF-8, are replaced.</summary>
    public static string Replaced(string text)
    {
        var result = new StringBuilder();
        foreach (var rune in text.EnumerateRunes())
        {
            if (result.Length >= LongestReplaced) return result.Append('…').ToString();
            result.Append(IsUnprintable(Rune.GetUnicodeCategory(rune)) ? Rune.ReplacementChar : rune);
        }
        return result.ToString();
    }

    /// <summary>Whether a terminal would do something else with it than show it.</summary>
    public static bool IsUnprintable(char c) => IsUnprintable(char.GetUnicodeCategory(c));

    private static bool IsUnprintable(UnicodeCategory category) =>
        category is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator
            or UnicodeCategory.ParagraphSeparator;
}
