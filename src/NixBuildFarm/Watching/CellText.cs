using System.Globalization;
using System.Text;
using NixBuildFarm.Text;

namespace NixBuildFarm.Watching;

/// <summary>Text in the cells of a terminal: some characters take two, some none.</summary>
internal static class CellText
{
    private static readonly (int First, int Last)[] Wide =
    [
        (0x1100, 0x115f), (0x2e80, 0xa4cf), (0xac00, 0xd7a3), (0xf900, 0xfaff), (0xfe30, 0xfe6f), (0xff00, 0xff60), (0x1f300, 0x1faff),
        (0x20000, 0x3fffd),
    ];

    private static readonly Dictionary<char, char> Ascii = new()
    {
        ['…'] = '.', ['█'] = '#', ['░'] = '.', ['★'] = '*', ['→'] = '>', ['✗'] = 'x', ['“'] = '"', ['”'] = '"',
    };

    /// <summary>How many cells a text takes.</summary>
    public static int Cells(string text) => text.EnumerateRunes().Sum(Cells);

    /// <summary>The text as one line, in which nothing moves the cursor.</summary>
    public static string InOneLine(string text) => TerminalText.Strip(text).ReplaceLineEndings(" ").Replace('\t', ' ');

    /// <summary>The text, cut where it has more cells than this.</summary>
    public static string Fit(string text, int width)
    {
        if (Cells(text) <= width) return text;
        var fitting = new StringBuilder();
        var left = width - 1;
        foreach (var rune in text.EnumerateRunes())
        {
            left -= Cells(rune);
            if (left < 0) break;
            fitting.Append(rune);
        }
        return width < 1 ? "" : fitting.Append(text.All(char.IsAscii) ? '.' : '…').ToString();
    }

    /// <summary>The text with as many cells as this, cut or filled up.</summary>
    public static string Pad(string text, int width)
    {
        var fitting = Fit(text, width);
        return fitting + new string(' ', Math.Max(0, width - Cells(fitting)));
    }

    /// <summary>The text for a terminal that has ASCII alone.</summary>
    public static string ToAscii(string text) => string.Concat(text.Select(c => char.IsAscii(c) ? c : Ascii.GetValueOrDefault(c, '?')));

    private static int Cells(Rune rune)
    {
        if (Rune.GetUnicodeCategory(rune) is UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark or UnicodeCategory.Format
            or UnicodeCategory.Control) return 0;
        return Wide.Any(range => rune.Value >= range.First && rune.Value <= range.Last) ? 2 : 1;
    }
}
