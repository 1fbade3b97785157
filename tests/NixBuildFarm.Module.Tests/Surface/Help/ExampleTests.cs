using System.Management.Automation;
using System.Management.Automation.Language;
using Markdig;
using Markdig.Syntax;

namespace NixBuildFarm.Module.Tests.Surface.Help;

/// <summary>Whatever a reader copies from the help or the README can be run.</summary>
public sealed class ExampleTests : IDisposable
{
    private readonly ModuleSession session = new();

    public void Dispose() => session.Dispose();

    public static TheoryData<string> EachDocument =>
    [
        .. HelpPages.Names.Select(name => $"docs/en-US/{name}.md"),
        "README.md",
        "CHANGELOG.md",
        .. Directory.GetFiles(Path.Combine(HelpPages.Repository, "docs"), "*.md")
            .Select(file => $"docs/{Path.GetFileName(file)}")
            .Order(StringComparer.Ordinal),
    ];

    [Theory]
    [MemberData(nameof(EachDocument))]
    public void Every_example_parses_and_its_parameters_bind(string document)
    {
        var examples = CodeOf(Path.Combine(HelpPages.Repository, document)).ToArray();

        if (document.StartsWith("docs/en-US", StringComparison.Ordinal) || document is "README.md" or "docs/recipes.md")
        {
            Assert.NotEmpty(examples);
        }
        Assert.Empty(examples.SelectMany(Problems));
    }

    [Theory]
    [InlineData("Get-NixBuilder |", "empty pipe")]
    [InlineData("Get-NixBulider", "no cmdlet")]
    [InlineData("Get-NixBuilder -Nmae ruby", "Nmae")]
    [InlineData("Invoke-NixDistributedBuild a b", "'b'")]
    [InlineData("Invoke-NixDistributedBuild nixpkgs#hello -Path ./a.nix", "parameter set")]
    [InlineData("Invoke-NixDistributedBuild -Attribute a", "parameter set")]
    [InlineData("Invoke-NixDistributedBuild nixpkgs#hello -CopyBack Some", "Some")]
    [InlineData("Invoke-NixDistributedBuild nixpkgs#hello -Timeout soon", "soon")]
    [InlineData("Set-NixBuilderPolicy -MaxJobs many", "many")]
    public void A_wrong_example_is_noticed(string example, string problem) =>
        Assert.Contains(Problems(example), found => found.Contains(problem));

    /// <summary>Blocks marked as powershell; in a page about_*, whose text is for a terminal, those that are set in.</summary>
    private static IEnumerable<string> CodeOf(string document) => Markdown.Parse(File.ReadAllText(document)).Descendants<CodeBlock>()
        .Where(block => block is not FencedCodeBlock fenced || fenced.Info == "powershell")
        .Select(block => block.Lines.ToString());

    private IEnumerable<string> Problems(string example)
    {
        var script = Parser.ParseInput(example, out _, out var errors);
        return errors.Length > 0
            ? errors.Select(error => $"{example}: {error.Message}")
            : script.FindAll(ast => ast is CommandAst, searchNestedScriptBlocks: true)
                .Cast<CommandAst>()
                .SelectMany(Problems)
                .Select(problem => $"{example}: {problem}");
    }

    private IEnumerable<string> Problems(CommandAst command)
    {
        var name = command.GetCommandName();
        if (name is null || !name.Contains("-Nix")) return [];
        if (!ModuleFolder.Cmdlets.Contains(name)) return [$"there is no cmdlet {name}"];

        var cmdlet = session.Cmdlet(name);
        var binding = StaticParameterBinder.BindCommand(command, resolve: true);
        var values = binding.BoundParameters.Values.Select(bound => bound.Value).ToHashSet();
        var fromPipeline = command.Parent is PipelineAst pipeline && pipeline.PipelineElements[0] != command;
        return
        [
            .. binding.BindingExceptions.Values.Select(error => error.BindingException.Message),
            // Where parameter sets are mixed, the binder leaves a value over and says nothing.
            .. command.CommandElements.Skip(1)
                .Where(element => element is not CommandParameterAst && !values.Contains(element))
                .Select(element => $"{element} is of no parameter set that the others are of"),
            .. cmdlet.ParameterSets.Any(set => Fits(set, [.. binding.BoundParameters.Keys], fromPipeline))
                ? []
                : new[] { "no parameter set has all of these parameters" },
            .. binding.BoundParameters.Where(bound => cmdlet.Parameters.ContainsKey(bound.Key))
                .Select(bound => Misfit(bound.Value.Value, cmdlet.Parameters[bound.Key]))
                .OfType<string>(),
        ];
    }

    private static bool Fits(CommandParameterSetInfo set, HashSet<string> given, bool fromPipeline) =>
        given.All(name => set.Parameters.Any(p => p.Name == name))
        && set.Parameters.Where(p => p.IsMandatory)
            .All(p => given.Contains(p.Name) || (fromPipeline && (p.ValueFromPipeline || p.ValueFromPipelineByPropertyName)));

    private static string? Misfit(CommandElementAst? value, ParameterMetadata parameter)
    {
        object constant;
        try
        {
            if (value is null) return null;
            constant = value.SafeGetValue();
        }
        catch (InvalidOperationException)
        {
            return null; // known only when it runs
        }
        return LanguagePrimitives.TryConvertTo(constant, parameter.ParameterType, out _)
            ? null
            : $"-{parameter.Name} does not take {constant}";
    }
}
