using System.Text.RegularExpressions;

namespace NixBuildFarm.Protocol;

/// <summary>Makes text of another machine fit to be shown: nothing in it can move the cursor, retitle the window or hide text.</summary>
public static partial class TerminalText
{
    /// <summary>Takes out escape sequences and control characters, except tabs and line ends.</summary>
    public static string Strip(string text) => Control().Replace(text, "");

    // In turn: CSI sequences (colour, cursor), OSC, DCS, SOS, PM and APC strings with their terminator (or cut short), any other
    // escape, both sets of control characters, and the characters that change the direction of what follows.
    [GeneratedRegex(
        @"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?|\x1b[ -/]*[0-~]?|[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]",
        RegexOptions.NonBacktracking)]
    private static partial Regex Control();
}
