using System.Xml.Linq;

namespace NixBuildFarm.HelpGenerator;

/// <summary>Writes the help of cmdlets as MAML, the form that Get-Help reads and shows as its own.</summary>
internal static class MamlWriter
{
    private const string NotGiven = "None";

    private static readonly XNamespace Items = "http://msh";
    private static readonly XNamespace Maml = "http://schemas.microsoft.com/maml/2004/10";
    private static readonly XNamespace Command = "http://schemas.microsoft.com/maml/dev/command/2004/10";
    private static readonly XNamespace Dev = "http://schemas.microsoft.com/maml/dev/2004/10";

    /// <summary>The file of these cmdlets.</summary>
    public static string Write(IEnumerable<CommandPage> pages) => $"""
        <?xml version="1.0" encoding="utf-8"?>
        {new XElement(Items + "helpItems", new XAttribute("schema", "maml"), pages.Select(CommandOf))}

        """;

    private static XElement CommandOf(CommandPage page) => new(
        Command + "command",
        new XAttribute(XNamespace.Xmlns + "maml", Maml),
        new XAttribute(XNamespace.Xmlns + "command", Command),
        new XAttribute(XNamespace.Xmlns + "dev", Dev),
        new XElement(
            Command + "details",
            new XElement(Command + "name", page.Name),
            new XElement(Command + "verb", page.Name.Split('-')[0]),
            new XElement(Command + "noun", page.Name.Split('-')[^1]),
            Description([page.Synopsis])),
        Description(page.Description),
        new XElement(Command + "syntax", page.Syntax.Select(syntax => SyntaxItem(page, syntax))),
        new XElement(Command + "parameters", page.Parameters.Select(parameter => ParameterOf(parameter, parameter.Properties[0]))),
        new XElement(Command + "inputTypes", page.Inputs.Select(type => ObjectTypeOf("inputType", type))),
        new XElement(Command + "returnValues", page.Outputs.Select(type => ObjectTypeOf("returnValue", type))),
        page.Notes.Count == 0 ? null : new XElement(Maml + "alertSet", new XElement(Maml + "alert", Paragraphs(page.Notes))),
        new XElement(Command + "examples", page.Examples.Select(ExampleOf)),
        new XElement(
            Command + "relatedLinks",
            page.Links.Select(
                link => new XElement(Maml + "navigationLink", new XElement(Maml + "linkText", link), new XElement(Maml + "uri")))));

    private static XElement SyntaxItem(CommandPage page, Syntax syntax) => new(
        Command + "syntaxItem",
        new XElement(Maml + "name", page.Name),
        syntax.Parameters.Select(name =>
        {
            var parameter = page.Parameters.First(p => p.Name == name);
            return ParameterOf(
                parameter,
                parameter.Properties.First(p => p.List("Parameter Sets") is ["(All)"] || p.List("Parameter Sets").Contains(syntax.Set)));
        }));

    private static XElement ParameterOf(Parameter parameter, ParameterProperties properties)
    {
        var type = properties["Type"];
        var values = properties.List("Accepted values");
        return new(
            Command + "parameter",
            new XAttribute("required", properties["Required"].ToLowerInvariant()),
            new XAttribute("variableLength", "true"),
            new XAttribute("globbing", properties["Accept wildcard characters"].ToLowerInvariant()),
            new XAttribute("pipelineInput", properties["Accept pipeline input"]),
            new XAttribute("position", properties["Position"].ToLowerInvariant()),
            new XAttribute("aliases", properties["Aliases"] is { Length: > 0 } aliases ? aliases : NotGiven),
            new XElement(Maml + "name", parameter.Name),
            Description(parameter.Description),
            values.Count == 0 ? null : new XElement(Command + "parameterValueGroup", values.Select(ParameterValue)),
            type == "SwitchParameter" ? null : ParameterValue(type),
            new XElement(Dev + "type", new XElement(Maml + "name", type), new XElement(Maml + "uri")),
            new XElement(Dev + "defaultValue", properties["Default value"]));
    }

    private static XElement ParameterValue(string value) =>
        new(Command + "parameterValue", new XAttribute("required", "true"), new XAttribute("variableLength", "false"), value);

    private static XElement ObjectTypeOf(string name, ObjectType type) => new(
        Command + name,
        new XElement(Dev + "type", new XElement(Maml + "name", type.Type)),
        Description(type.Description));

    private static XElement ExampleOf(Example example) => new(
        Command + "example",
        new XElement(Maml + "title", $"--- {example.Title} ---"),
        new XElement(Dev + "code", example.Code),
        // The empty one keeps the next example off.
        new XElement(Dev + "remarks", Paragraphs([.. example.Remarks, ""])));

    private static XElement Description(IReadOnlyList<string> paragraphs) => new(Maml + "description", Paragraphs(paragraphs));

    private static IEnumerable<XElement> Paragraphs(IEnumerable<string> paragraphs) =>
        paragraphs.Select(text => new XElement(Maml + "para", text));
}
