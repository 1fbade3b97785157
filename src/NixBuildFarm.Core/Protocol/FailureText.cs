using System.Text;
using System.Text.RegularExpressions;
using NixBuildFarm.Text;

namespace NixBuildFarm.Protocol;

/// <summary>What Nix says of a failure, which each version words in its own way, for people to read.</summary>
public static partial class FailureText
{
    /// <summary>Whether it has the end of the build's log in it.</summary>
    /// <param name="message">The daemon's message, without terminal control.</param>
    public static bool HasLog(string message) => LogTail().IsMatch(message);

    /// <summary>
    /// The reason as one line: without the end of the build's log, the command that shows the whole log on that machine, and the list of
    /// the outputs, which Nix adds.
    /// </summary>
    /// <param name="message">The daemon's message, of one line or several.</param>
    public static string InOneLine(string message)
    {
        var reason = TerminalText.Strip(message);
        if (LogTail().Match(reason) is { Success: true } tail) reason = reason[..tail.Index];
        if (Outputs().Match(reason) is { Success: true } outputs) reason = reason.Remove(outputs.Index, outputs.Length);
        var line = new StringBuilder();
        foreach (var next in reason.Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.Length > 0) line.Append(".,;:".Contains(line[^1], StringComparison.Ordinal) ? " " : ", ");
            line.Append(next);
        }
        return line.ToString();
    }

    // Nix before 2.31 writes "…;" before it, and "last"; later ones end the sentence, and write "Last".
    [GeneratedRegex(@";?\s+[Ll]ast \d+ log lines:", RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex LogTail();

    [GeneratedRegex(@"\n\s*Output paths:(\n\s*/\S+)*", RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex Outputs();
}
