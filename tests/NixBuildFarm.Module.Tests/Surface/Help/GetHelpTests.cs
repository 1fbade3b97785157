using NixBuildFarm.HelpGenerator;

namespace NixBuildFarm.Module.Tests.Surface.Help;

/// <summary>What a user sees who asks for help.</summary>
public sealed class GetHelpTests(ModuleSession session) : IClassFixture<ModuleSession>
{
    public static TheoryData<string> EachCmdlet => ModuleFolder.EachCmdlet;

    [Fact]
    public void The_help_in_the_module_is_what_the_pages_say()
    {
        var files = HelpFile.OfPages(HelpPages.Folder);

        Assert.Equal(
            files.Select(file => file.Name).Order(), Directory.GetFiles(ModuleFolder.FileOf("en-US")).Select(Path.GetFileName).Order());
        foreach (var file in files) Assert.Equal(file.Text, File.ReadAllText(ModuleFolder.FileOf("en-US", file.Name)));
    }

    [Theory]
    [MemberData(nameof(EachCmdlet))]
    public void Get_Help_finds_the_page_of_each_cmdlet(string name)
    {
        var page = HelpPages.Of(name);

        Assert.Equal([page.Synopsis], session.Run("(Get-Help $args[0]).Synopsis", name).OutputAs<string>());
        Assert.Equal(
            page.Parameters.Select(p => p.Name).Order(),
            session.Run("Get-Help $args[0] -Parameter * | ForEach-Object Name", name).OutputAs<string>().Order());
        Assert.Equal(
            page.Examples.Select(e => e.Code),
            session.Run("(Get-Help $args[0]).examples.example | ForEach-Object { \"$($_.code)\" }", name).OutputAs<string>());
    }

    [Fact]
    public void Examples_read_well()
    {
        var text = session.Show("Get-Help Invoke-NixDistributedBuild -Examples");

        Assert.Contains(
            """

            NAME
                Invoke-NixDistributedBuild

            SYNOPSIS
                Builds Nix derivations on many builders at the same time.

            """.ReplaceLineEndings("\n"),
            Trimmed(text));
        Assert.Contains(
            """
                --- Example 1: A package on all builders ---

                Invoke-NixDistributedBuild nixpkgs#hello -OutLink result

                Builds hello and makes the link result to it, as “nix build” does. The link keeps it from the garbage collector.

            """.ReplaceLineEndings("\n"),
            Trimmed(text));
    }

    [Fact]
    public void The_syntax_shows_every_way_to_call()
    {
        var lines = Trimmed(session.Show("Get-Help Reset-NixBuilderPolicy")).Split('\n').Select(line => line.Trim());

        Assert.Contains(
            "Reset-NixBuilderPolicy [[-Name] <String[]>] [-Scope {Session | User}] [-WhatIf] [-Confirm] [<CommonParameters>]", lines);
        Assert.Contains("Reset-NixBuilderPolicy -Policy <NixBuilderPolicy[]> [-WhatIf] [-Confirm] [<CommonParameters>]", lines);
        Assert.Contains("Reset-NixBuilderPolicy -All [-Scope {Session | User}] [-WhatIf] [-Confirm] [<CommonParameters>]", lines);
    }

    [Fact]
    public void The_topic_about_the_module_is_found()
    {
        var text = session.Show("Get-Help about_NixBuildFarm");

        Assert.StartsWith(
            "TOPIC\n    about_NixBuildFarm\n\nSHORT DESCRIPTION\n    Builds Nix derivations on many builders at the same time",
            text.TrimStart('\n', '\uFEFF'));
        Assert.All(ModuleFolder.Cmdlets, cmdlet => Assert.Contains($"    - {cmdlet}\n", text));
    }

    private static string Trimmed(string text) => string.Join('\n', text.Split('\n').Select(line => line.TrimEnd()));
}
