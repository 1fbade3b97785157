using System.Text.RegularExpressions;

namespace NixBuildFarm.Text;

/// <summary>
/// Makes foreign text safe for a terminal: it cannot move the cursor, retitle the window or hide text. <see cref="Printable"/> is stricter,
/// for messages: a program's output may have invisible characters, such as those that join emoji.
/// </summary>
public static partial class TerminalText
{
    /// <summary>Takes out escape sequences and control characters, except tabs and line ends.</summary>
    public static string Strip(string text) => Control().Replace(text, "");

    [GeneratedRegex(
        """
        (?: \x1b\[ | \x9b ) [0-?]* [\x20-/]* [@-~]?                                               # CSI: colour, cursor
        | (?: \x1b[\]PX^_] | [\x9d\x90\x98\x9e\x9f] ) [^\x07\x1b\x9c\n]* (?: \x07 | \x1b\\ | \x9c )?  # OSC, DCS, SOS, PM, APC: title, links
        | \x1b [\x20-/]* [0-~]?                                                                    # any other escape
        | [\x00-\x08\x0b-\x1f\x7f-\x9f]                                                          # control characters of both sets
        | [\u202a-\u202e\u2066-\u2069]                                                            # change of direction of writing
        """,
        RegexOptions.NonBacktracking | RegexOptions.IgnorePatternWhitespace)]
    private static partial Regex Control();
}
