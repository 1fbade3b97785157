using Markdig;
using Markdig.Syntax;

namespace NixBuildFarm.HelpGenerator;

/// <summary>A part of a page: a heading, what stands under it, and the parts with lower headings.</summary>
public sealed class Page
{
    private static readonly MarkdownPipeline Markdown = new MarkdownPipelineBuilder().UseYamlFrontMatter().Build();

    private readonly List<Block> blocks = [];
    private readonly List<Page> parts = [];
    private readonly int level;

    private Page(string file, int line, int level, string title)
    {
        File = file;
        Line = line;
        this.level = level;
        Title = title;
    }

    /// <summary>The file.</summary>
    public string File { get; }

    /// <summary>The heading's line, from 1.</summary>
    public int Line { get; }

    /// <summary>The heading's text.</summary>
    public string Title { get; }

    /// <summary>What stands under the heading, up to the next one.</summary>
    public IReadOnlyList<Block> Blocks => blocks;

    /// <summary>The parts under lower headings.</summary>
    public IReadOnlyList<Page> Parts => parts;

    /// <summary>Reads a file: the part under its only heading of level 1.</summary>
    /// <exception cref="PageException">It has none, or several.</exception>
    public static Page Read(string file)
    {
        var root = new Page(file, line: 1, level: 0, "");
        var open = new Stack<Page>([root]);
        foreach (var block in Markdig.Markdown.Parse(System.IO.File.ReadAllText(file), Markdown))
        {
            if (block is HeadingBlock heading)
            {
                while (open.Peek().level >= heading.Level) open.Pop();
                var part = new Page(file, heading.Line + 1, heading.Level, PlainText.Of(heading));
                open.Peek().parts.Add(part);
                open.Push(part);
            }
            else if (block is not Markdig.Extensions.Yaml.YamlFrontMatterBlock)
            {
                open.Peek().blocks.Add(block);
            }
        }
        return root.parts is [{ level: 1 } page]
            ? page
            : throw new PageException(file, 1, "a page has one heading of level 1, and the others are under it");
    }

    /// <summary>The part of a title.</summary>
    /// <exception cref="PageException">There is none.</exception>
    public Page Part(string title) =>
        parts.Find(part => part.Title == title) ?? throw Error($"there is no part “{title}” under “{Title}”");

    /// <summary>What stands under the heading as plain text, a string for each paragraph.</summary>
    public IReadOnlyList<string> Paragraphs => [.. blocks.SelectMany(PlainText.Paragraphs)];

    /// <summary>What is wrong with this part.</summary>
    public PageException Error(string message) => new(File, Line, message);
}
