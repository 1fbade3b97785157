using Markdig.Syntax;
using Markdig.Syntax.Inlines;

namespace NixBuildFarm.HelpGenerator;

/// <summary>One way to call a cmdlet.</summary>
/// <param name="Set">The parameter set; empty where the cmdlet has only one.</param>
/// <param name="Text">The whole line, e.g. <c>Get-NixBuilder [[-Name] &lt;string[]&gt;]</c>.</param>
public sealed record Syntax(string Set, string Text)
{
    /// <summary>The names of the parameters in the line, in order.</summary>
    public IReadOnlyList<string> Parameters =>
        [.. Text.Split(' ').Select(word => word.Trim('[', ']')).Where(word => word.StartsWith('-')).Select(word => word[1..])];
}

/// <summary>A parameter and what is said of it.</summary>
/// <param name="Name">Its name, without dash.</param>
/// <param name="Description">What it means, paragraph by paragraph.</param>
/// <param name="Properties">The table of its properties as it stands; one for each group of parameter sets where they differ.</param>
public sealed record Parameter(string Name, IReadOnlyList<string> Description, IReadOnlyList<ParameterProperties> Properties);

/// <summary>The properties of a parameter by PlatyPS's names: <c>Type</c>, <c>Position</c> …</summary>
/// <param name="Text">As they stand in the page.</param>
public sealed record ParameterProperties(string Text)
{
    private readonly Dictionary<string, string> values = Text.Split('\n', StringSplitOptions.RemoveEmptyEntries)
        .Select(line => line.Split(':', 2, StringSplitOptions.TrimEntries))
        .ToDictionary(pair => pair[0], pair => pair.ElementAtOrDefault(1) ?? "");

    /// <summary>A property; empty where it has none.</summary>
    public string this[string name] => values.GetValueOrDefault(name, "");

    /// <summary>The words of a property that is a list.</summary>
    public IReadOnlyList<string> List(string name) =>
        this[name].Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
}

/// <summary>An example.</summary>
/// <param name="Title">What it shows.</param>
/// <param name="Code">The commands.</param>
/// <param name="Remarks">What is said of them, paragraph by paragraph.</param>
public sealed record Example(string Title, string Code, IReadOnlyList<string> Remarks);

/// <summary>A type of objects that come in or go out.</summary>
/// <param name="Type">Its full name.</param>
/// <param name="Description">What they mean, paragraph by paragraph.</param>
public sealed record ObjectType(string Type, IReadOnlyList<string> Description);

/// <summary>
/// The help of a cmdlet, as a page laid out as PlatyPS 0.14 does it:
/// SYNOPSIS, SYNTAX, DESCRIPTION, EXAMPLES, PARAMETERS, INPUTS, OUTPUTS, NOTES, RELATED LINKS.
/// </summary>
public sealed class CommandPage
{
    private const string CommonParameters = "CommonParameters";
    private const string DefaultSet = " (Default)";

    private CommandPage(Page page)
    {
        Name = page.Title;
        Synopsis = string.Join(' ', page.Part("SYNOPSIS").Paragraphs);
        Syntax = [.. SyntaxOf(page.Part("SYNTAX"))];
        Description = page.Part("DESCRIPTION").Paragraphs;
        Examples = [.. page.Part("EXAMPLES").Parts.Select(ExampleOf)];
        Parameters = [.. page.Part("PARAMETERS").Parts.Where(part => part.Title != CommonParameters).Select(ParameterOf)];
        Inputs = [.. page.Part("INPUTS").Parts.Select(part => new ObjectType(part.Title, part.Paragraphs))];
        Outputs = [.. page.Part("OUTPUTS").Parts.Select(part => new ObjectType(part.Title, part.Paragraphs))];
        Notes = page.Part("NOTES").Paragraphs;
        Links =
        [
            .. page.Part("RELATED LINKS")
                .Blocks.OfType<ParagraphBlock>()
                .SelectMany(block => block.Inline!.Descendants<LinkInline>())
                .Select(link => link.FirstChild?.ToString() ?? ""),
        ];
    }

    /// <summary>The cmdlet.</summary>
    public string Name { get; }

    /// <summary>What it does, in one sentence.</summary>
    public string Synopsis { get; }

    /// <summary>The ways to call it.</summary>
    public IReadOnlyList<Syntax> Syntax { get; }

    /// <summary>What it does, paragraph by paragraph.</summary>
    public IReadOnlyList<string> Description { get; }

    /// <summary>The examples.</summary>
    public IReadOnlyList<Example> Examples { get; }

    /// <summary>The parameters, without those that all cmdlets have.</summary>
    public IReadOnlyList<Parameter> Parameters { get; }

    /// <summary>What it takes from the pipeline.</summary>
    public IReadOnlyList<ObjectType> Inputs { get; }

    /// <summary>What it writes to the pipeline.</summary>
    public IReadOnlyList<ObjectType> Outputs { get; }

    /// <summary>What else there is to know, paragraph by paragraph.</summary>
    public IReadOnlyList<string> Notes { get; }

    /// <summary>The names of related topics.</summary>
    public IReadOnlyList<string> Links { get; }

    /// <summary>Reads the page of a cmdlet.</summary>
    /// <exception cref="PageException">It is not laid out as these pages are.</exception>
    public static CommandPage Read(string file) => new(Page.Read(file));

    private static IEnumerable<Syntax> SyntaxOf(Page part) => part.Parts.Count == 0
        ? [new Syntax("", CodeOf(part))]
        : part.Parts.Select(set => new Syntax(set.Title.Replace(DefaultSet, "", StringComparison.Ordinal), CodeOf(set)));

    private static Example ExampleOf(Page part)
    {
        var code = part.Blocks.OfType<FencedCodeBlock>().FirstOrDefault(block => block.Info == "powershell")
            ?? throw part.Error("an example has a block of code, marked as powershell");
        return new(part.Title, PlainText.Code(code), [.. part.Blocks.Where(block => block != code).SelectMany(PlainText.Paragraphs)]);
    }

    private static Parameter ParameterOf(Page part)
    {
        if (!part.Title.StartsWith('-')) throw part.Error("the heading of a parameter is its name with a dash");
        var properties = part.Blocks.OfType<FencedCodeBlock>().Where(block => block.Info == "yaml").ToArray();
        if (properties.Length == 0) throw part.Error("a parameter has a block of its properties, marked as yaml");
        return new(
            part.Title[1..],
            [.. part.Blocks.Except(properties).SelectMany(PlainText.Paragraphs)],
            [.. properties.Select(block => new ParameterProperties(PlainText.Code(block)))]);
    }

    private static string CodeOf(Page part) =>
        part.Blocks.OfType<FencedCodeBlock>().FirstOrDefault() is { } block
            ? PlainText.Code(block)
            : throw part.Error("a syntax is a block of code");
}
