using System.Management.Automation;
using System.Management.Automation.Language;

namespace NixBuildFarm.Hosting;

/// <summary>The common part of completers.</summary>
internal static class Completion
{
    /// <summary>The candidates that begin with the word, as they are written on a command line.</summary>
    public static IEnumerable<CompletionResult> Of(string word, IEnumerable<(string Text, string ToolTip)> candidates)
    {
        // The word comes as it was typed: perhaps with the quotation mark it begins with.
        var start = WildcardPattern.Get(WildcardPattern.Escape(word.Trim('\'', '"')) + "*", WildcardOptions.IgnoreCase);
        return candidates
            .Where(c => start.IsMatch(c.Text))
            .Select(c => new CompletionResult(Quote(c.Text), c.Text, CompletionResultType.ParameterValue, c.ToolTip));
    }

    private static string Quote(string text) =>
        text.All(c => char.IsLetterOrDigit(c) || c is '.' or '-' or '_')
            ? text
            : $"'{CodeGeneration.EscapeSingleQuotedStringContent(text)}'";
}
