using System.Management.Automation;
using System.Reflection;

namespace NixBuildFarm.Module.Tests.Surface;

/// <summary>What PowerShell's users expect of every cmdlet.</summary>
public sealed class CmdletTests(ModuleSession session) : IClassFixture<ModuleSession>
{
    private static readonly string[] Changing =
    [
        "Clear", "Copy", "Export", "Invoke", "New", "Remove", "Reset", "Set", "Start", "Stop", "Update",
        // Import-NixBuilder only reads.
        "Import-NixBuildHistory",
    ];

    public static TheoryData<string> EachCmdlet => ModuleFolder.EachCmdlet;

    [Theory]
    [MemberData(nameof(EachCmdlet))]
    public void The_verb_is_one_that_PowerShell_approves(string name)
    {
        var approved = typeof(VerbsCommon).Assembly.GetExportedTypes()
            .Where(
                type =>
                    type is { IsAbstract: true, IsSealed: true, Namespace: "System.Management.Automation" }
                        && type.Name.StartsWith("Verbs", StringComparison.Ordinal))
            .SelectMany(type => type.GetFields(BindingFlags.Public | BindingFlags.Static))
            .Select(field => (string)field.GetRawConstantValue()!);

        Assert.Contains(session.Cmdlet(name).Verb, approved);
    }

    [Theory]
    [MemberData(nameof(EachCmdlet))]
    public void The_noun_is_ours_and_singular(string name) => Assert.Matches("^Nix[A-Z][A-Za-z]*[^s]$", session.Cmdlet(name).Noun);

    [Theory]
    [MemberData(nameof(EachCmdlet))]
    public void It_says_what_it_writes(string name) => Assert.NotEmpty(session.Cmdlet(name).OutputType);

    [Theory]
    [MemberData(nameof(EachCmdlet))]
    public void It_has_WhatIf_and_Confirm_exactly_if_it_changes_something(string name)
    {
        var cmdlet = session.Cmdlet(name);

        var isChanging = Changing.Contains(cmdlet.Verb) || Changing.Contains(cmdlet.Name);

        Assert.Equal(isChanging, cmdlet.Parameters.ContainsKey("WhatIf"));
        Assert.Equal(isChanging, cmdlet.Parameters.ContainsKey("Confirm"));
    }

    [Theory]
    [MemberData(nameof(EachCmdlet))]
    public void A_position_is_of_the_first_parameter_only(string name) =>
        Assert.All(session.Cmdlet(name).ParameterSets, set => Assert.InRange(set.Parameters.Max(p => p.Position), int.MinValue, 0));

    [Theory]
    [MemberData(nameof(EachCmdlet))]
    public void Builders_come_down_the_pipeline_unless_something_else_does(string name)
    {
        var cmdlet = session.Cmdlet(name);
        if (!cmdlet.Noun.StartsWith("NixBuilder", StringComparison.Ordinal) && !cmdlet.Parameters.ContainsKey("Builder")) return;
        var piped = cmdlet.ParameterSets.SelectMany(set => set.Parameters)
            .Where(p => p.ValueFromPipeline || p.ValueFromPipelineByPropertyName)
            .ToArray();

        Assert.NotEmpty(piped);
        if (piped.All(p => p.Name is "Name" or "Builder")) Assert.Contains(piped, p => p.ValueFromPipeline);
    }

    [Theory]
    [MemberData(nameof(EachCmdlet))]
    public void Names_of_builders_complete_take_wildcards_and_may_be_called_as_other_modules_do(string name)
    {
        var cmdlet = session.Cmdlet(name);
        string[] takingNames = cmdlet.Noun.StartsWith("NixBuilder", StringComparison.Ordinal)
            ? ["Name", "Builder", "ExcludeBuilder"]
            : ["Builder", "ExcludeBuilder"];

        foreach (var parameter in takingNames.Where(cmdlet.Parameters.ContainsKey).Select(p => cmdlet.Parameters[p]))
        {
            // One that takes builders only, as Set-NixBuilderPolicy's -Builder, has a -Name beside it.
            if (parameter.ParameterType.GetElementType() != typeof(string) && parameter.ParameterType.GetElementType() != typeof(object))
            {
                continue;
            }
            Assert.Contains(parameter.Attributes, attribute => attribute is ArgumentCompleterAttribute);
            Assert.Contains(parameter.Attributes, attribute => attribute is SupportsWildcardsAttribute);
            if (parameter.Name == "Name") Assert.Equal(["HostName", "ComputerName"], parameter.Aliases);
        }
    }

    [Fact]
    public void Output_types_are_sealed_classes_that_are_called_as_themselves()
    {
        Assert.All(session.OutputTypes, type =>
        {
            Assert.True(type.IsSealed, type.Name);
            Assert.Null(type.GetMethod("<Clone>$"));
            Assert.NotEqual(typeof(object), type.GetMethod(nameof(ToString), Type.EmptyTypes)!.DeclaringType);
        });
    }
}
