using System.Collections;
using System.Management.Automation;
using System.Xml.Linq;
using NixBuildFarm.Module.Tests.Surface;
using NixBuildFarm.Module.Tests.Surface.Help;

namespace NixBuildFarm.Module.Tests.Policies;

/// <summary>A setting of a policy stands in one class. All others have it from there, or are held to it here.</summary>
public sealed class PolicySettingTests(ModuleSession session) : IClassFixture<ModuleSession>
{
    private static readonly string[] NoSettings = ["Name", "Builder", "Scope", "PassThru", "WhatIf", "Confirm"];

    private Type Shown => Assert.Single(session.OutputTypes, type => type.Name == "NixBuilderPolicy");

    private Type Settings => Shown.BaseType!;

    private IReadOnlyList<string> Names => (IReadOnlyList<string>)Settings.GetProperty("Names")!.GetValue(null)!;

    [Fact]
    public void Set_NixBuilderPolicy_has_a_parameter_of_its_type_for_each_setting_and_no_other()
    {
        var parameters = session.Cmdlet("Set-NixBuilderPolicy").Parameters.Values
            .Where(parameter => !Cmdlet.CommonParameters.Contains(parameter.Name) && !NoSettings.Contains(parameter.Name));

        Assert.Equal(
            Names.Select(name => (name, TypeOf(name))).Order(),
            parameters.Select(parameter => (parameter.Name, Plain(parameter.ParameterType))).Order());
    }

    [Fact]
    public void The_help_of_Set_NixBuilderPolicy_describes_each_setting() =>
        Assert.Subset(HelpPages.Of("Set-NixBuilderPolicy").Parameters.Select(parameter => parameter.Name).ToHashSet(), Names.ToHashSet());

    [Fact]
    public void The_list_of_Get_NixBuilderPolicy_has_a_row_for_each_setting()
    {
        var rows = ModuleFolder.FormatFiles.SelectMany(file => XDocument.Load(ModuleFolder.FileOf(file)).Descendants("View"))
            .Where(view => view.Descendants("TypeName").Any(type => type.Value == Shown.FullName))
            .SelectMany(view => view.Descendants("ListItem")).Select(item => item.Element("PropertyName")?.Value);

        Assert.Equal(["Scope", .. Names.Order()], rows.OfType<string>().OrderBy(name => name == "Scope" ? "" : name));
    }

    [Fact]
    public void Get_NixBuilderPolicy_gives_each_setting_as_a_property() =>
        Assert.Subset(Shown.GetProperties().Select(property => property.Name).ToHashSet(), Names.ToHashSet());

    private string TypeOf(string setting) => Plain(Settings.GetProperty(setting)!.PropertyType);

    private static string Plain(Type type) =>
        type == typeof(SwitchParameter) ? nameof(Boolean)
        : type == typeof(string[]) || type == typeof(IReadOnlyList<string>) ? "list"
        : type == typeof(Hashtable) || type == typeof(IReadOnlyDictionary<string, long>) ? "table"
        : (Nullable.GetUnderlyingType(type) ?? type).Name;
}
