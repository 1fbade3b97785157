using System.Text;
using Markdig.Syntax;
using Markdig.Syntax.Inlines;

namespace NixBuildFarm.HelpGenerator;

/// <summary>Markdown as text for a terminal: without its marks, but for those that a reader of text needs.</summary>
internal static class PlainText
{
    private const string CodeIndent = "    ";

    /// <summary>The paragraphs of a block; each item of a list, and each block of code, is one.</summary>
    public static IEnumerable<string> Paragraphs(Block block) => block switch
    {
        CodeBlock code => [string.Join('\n', Code(code).Split('\n').Select(line => CodeIndent + line))],
        LeafBlock leaf => [Of(leaf)],
        ListBlock list =>
            list.Cast<ListItemBlock>()
                .Select((item, i) => (list.IsOrdered ? $"{i + 1}. " : "- ") + string.Join(' ', item.SelectMany(Paragraphs))),
        ContainerBlock container => container.SelectMany(Paragraphs),
        _ => [],
    };

    /// <summary>The text of a paragraph or a heading, in one line.</summary>
    public static string Of(LeafBlock block)
    {
        var text = new StringBuilder();
        if (block.Inline is { } inline) Append(inline, text);
        return text.ToString();
    }

    /// <summary>The lines of a block of code, as they stand.</summary>
    public static string Code(CodeBlock code) => code.Lines.ToString().TrimEnd();

    private static void Append(ContainerInline container, StringBuilder text)
    {
        foreach (var inline in container)
        {
            switch (inline)
            {
                case LiteralInline literal: text.Append(literal.Content); break;
                // What is more than a word would run into the sentence without a mark.
                case CodeInline code: text.Append(code.Content.Contains(' ') ? $"“{code.Content}”" : code.Content); break;
                case HtmlEntityInline entity: text.Append(entity.Transcoded); break;
                case AutolinkInline address: text.Append(address.Url); break;
                case LineBreakInline: text.Append(' '); break;
                case LinkInline link:
                    Append(link, text);
                    if (link.Url?.StartsWith("http", StringComparison.Ordinal) == true) text.Append(" (").Append(link.Url).Append(')');
                    break;
                case ContainerInline other: Append(other, text); break;
            }
        }
    }
}
