using System.Text;

namespace NixBuildFarm.Ssh;

/// <summary>Text that a remote program wrote, made safe to show: no escape sequences, no control characters.</summary>
internal static class TerminalText
{
    private const char Escape = '\x1b';
    private const char Bell = '\a';

    /// <summary>Drops terminal control (ECMA-48 escape sequences, C0 and C1 characters); keeps tabs and line ends.</summary>
    public static string Clean(string text)
    {
        if (!text.Any(c => char.IsControl(c) && c is not ('\n' or '\t'))) return text;
        var result = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == Escape)
            {
                i = EndOfSequence(text, i);
            }
            else if (!char.IsControl(text[i]) || text[i] is '\n' or '\t')
            {
                result.Append(text[i]);
            }
        }
        return result.ToString();
    }

    // The index of the last character of the sequence that begins at an escape.
    private static int EndOfSequence(string text, int start)
    {
        var i = start + 1;
        if (i >= text.Length) return start;
        switch (text[i])
        {
            case '[': // control sequence: parameters, then one final character
                for (i++; i < text.Length && text[i] is >= ' ' and < '@'; i++) { }
                return Math.Min(i, text.Length - 1);
            case ']' or 'P' or 'X' or '^' or '_': // a string, ended by a bell or by ESC \
                for (i++; i < text.Length && text[i] != Bell && text[i] != Escape && text[i] != '\n'; i++) { }
                if (i >= text.Length) return text.Length - 1;
                if (text[i] == '\n') return i - 1;
                return text[i] == Escape && i + 1 < text.Length && text[i + 1] == '\\' ? i + 1 : i;
            default: // intermediate characters, then one final character
                for (; i < text.Length && text[i] is >= ' ' and < '0'; i++) { }
                return Math.Min(i, text.Length - 1);
        }
    }
}
