using System.Management.Automation;

namespace NixBuildFarm.Module.Tests.Surface.Help;

/// <summary>The pages say of the cmdlets what is so.</summary>
public sealed class HelpPageTests(ModuleSession session) : IClassFixture<ModuleSession>
{
    public static TheoryData<string> EachCmdlet => ModuleFolder.EachCmdlet;

    [Fact]
    public void Every_cmdlet_has_a_page_and_every_page_a_cmdlet() =>
        Assert.Equal(
            ModuleFolder.Cmdlets.Order(), HelpPages.Names.Where(name => !name.StartsWith("about_", StringComparison.Ordinal)).Order());

    [Theory]
    [MemberData(nameof(EachCmdlet))]
    public void The_syntax_is_the_cmdlet_s(string name)
    {
        var cmdlet = session.Cmdlet(name);

        Assert.Equal(
            cmdlet.ParameterSets.OrderByDescending(set => set.IsDefault)
                .Select(set => (cmdlet.ParameterSets.Count == 1 ? "" : set.Name, $"{name} {set}")),
            HelpPages.Of(name).Syntax.Select(syntax => (syntax.Set, syntax.Text)));
    }

    [Theory]
    [MemberData(nameof(EachCmdlet))]
    public void Each_parameter_is_described_and_none_too_many(string name)
    {
        var page = HelpPages.Of(name);

        Assert.Equal(Own(session.Cmdlet(name)).Select(p => p.Name).Order(), page.Parameters.Select(p => p.Name).Order());
        Assert.All(page.Parameters, parameter => Assert.NotEmpty(string.Concat(parameter.Description)));
    }

    [Theory]
    [MemberData(nameof(EachCmdlet))]
    public void The_properties_of_each_parameter_are_the_real_ones(string name)
    {
        var cmdlet = session.Cmdlet(name);
        var parameters = Own(cmdlet).ToDictionary(p => p.Name);

        Assert.All(HelpPages.Of(name).Parameters, parameter =>
            Assert.Equal(
                Properties(cmdlet, parameters[parameter.Name], Assert.Single(parameter.Properties)["Default value"]),
                Assert.Single(parameter.Properties).Text));
    }

    [Theory]
    [MemberData(nameof(EachCmdlet))]
    public void A_default_value_that_the_cmdlet_has_is_the_one_described(string name)
    {
        var cmdlet = session.Cmdlet(name);
        var instance = Activator.CreateInstance(cmdlet.ImplementingType)!;
        using var disposable = instance as IDisposable;

        foreach (var parameter in HelpPages.Of(name).Parameters)
        {
            // What is null or empty until it is given may have its meaning in words.
            var value = cmdlet.ImplementingType.GetProperty(parameter.Name)?.GetValue(instance);
            if (value is not (null or "" or System.Collections.ICollection { Count: 0 }))
            {
                Assert.Equal($"{parameter.Name}: {value}", $"{parameter.Name}: {parameter.Properties[0]["Default value"]}");
            }
        }
    }

    [Theory]
    [MemberData(nameof(EachCmdlet))]
    public void The_pages_inputs_and_outputs_are_those_that_the_cmdlet_declares(string name)
    {
        var cmdlet = session.Cmdlet(name);
        var page = HelpPages.Of(name);
        var piped = cmdlet.ParameterSets.SelectMany(set => set.Parameters)
            .Where(p => p.ValueFromPipeline)
            .Select(p => p.ParameterType)
            .Distinct()
            .ToArray();

        Assert.Equal(cmdlet.OutputType.Select(output => output.Type.FullName).Order(), page.Outputs.Select(output => output.Type).Order());
        // Object[] takes several types, and a property comes from any: the page names them.
        if (piped.Length > 0 && !piped.Contains(typeof(object[])))
        {
            Assert.Equal(piped.Select(type => type.FullName).Order(), page.Inputs.Select(input => input.Type).Order());
        }
        Assert.NotEmpty(page.Inputs);
        Assert.All(page.Inputs.Concat(page.Outputs), type => Assert.NotEmpty(type.Description));
    }

    [Theory]
    [MemberData(nameof(EachCmdlet))]
    public void It_says_what_the_cmdlet_is_for_and_shows_it(string name)
    {
        var page = HelpPages.Of(name);

        Assert.EndsWith(".", page.Synopsis);
        Assert.NotEmpty(page.Description);
        Assert.True(page.Examples.Count >= 2, $"{page.Examples.Count} examples");
        Assert.All(page.Examples, example => Assert.NotEmpty(example.Remarks));
        Assert.Equal(
            Enumerable.Range(1, page.Examples.Count).Select(i => $"Example {i}:"),
            page.Examples.Select(example => example.Title[..(example.Title.IndexOf(':') + 1)]));
    }

    [Theory]
    [MemberData(nameof(EachCmdlet))]
    public void It_leads_to_other_pages_that_are_there(string name)
    {
        var page = HelpPages.Of(name);

        Assert.NotEmpty(page.Links);
        Assert.All(page.Links, link => Assert.Contains(link, HelpPages.Names));
    }

    private static IEnumerable<ParameterMetadata> Own(CmdletInfo cmdlet) =>
        cmdlet.Parameters.Values.Where(p => !Cmdlet.CommonParameters.Contains(p.Name));

    private static string Properties(CmdletInfo cmdlet, ParameterMetadata parameter, string defaultValue)
    {
        var sets = cmdlet.ParameterSets.Where(set => set.Parameters.Any(p => p.Name == parameter.Name)).ToArray();
        var one = sets[0].Parameters.First(p => p.Name == parameter.Name);
        var type = Nullable.GetUnderlyingType(parameter.ParameterType) ?? parameter.ParameterType;
        string[] pipeline =
        [
            .. one.ValueFromPipelineByPropertyName ? ["ByPropertyName"] : Array.Empty<string>(),
            .. one.ValueFromPipeline ? ["ByValue"] : Array.Empty<string>(),
        ];
        string[] lines =
        [
            $"Type: {type.Name}",
            $"Parameter Sets: {(sets.Length == cmdlet.ParameterSets.Count ? "(All)" : string.Join(", ", sets.Select(set => set.Name)))}",
            $"Aliases: {string.Join(", ", parameter.Aliases)}".TrimEnd(),
            .. type.IsEnum ? [$"Accepted values: {string.Join(", ", Enum.GetNames(type))}"] : Array.Empty<string>(),
            "",
            $"Required: {one.IsMandatory}",
            $"Position: {(one.Position < 0 ? "Named" : one.Position)}",
            $"Default value: {defaultValue}",
            $"Accept pipeline input: {(pipeline.Length == 0 ? "False" : $"True ({string.Join(", ", pipeline)})")}",
            $"Accept wildcard characters: {parameter.Attributes.OfType<SupportsWildcardsAttribute>().Any()}",
        ];
        return string.Join('\n', lines);
    }
}
