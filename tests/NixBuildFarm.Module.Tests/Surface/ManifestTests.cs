using System.Management.Automation;
using System.Management.Automation.Runspaces;
using System.Reflection;
using System.Text.RegularExpressions;

namespace NixBuildFarm.Module.Tests.Surface;

public sealed class ManifestTests : IDisposable
{
    private readonly ModuleSession session = new();

    public void Dispose() => session.Dispose();

    [Fact]
    public void It_is_a_manifest_that_PowerShell_accepts()
    {
        var module = Assert.Single(
            session.Run("Test-ModuleManifest $args[0]", ModuleFolder.FileOf("NixBuildFarm.psd1")).OutputAs<PSModuleInfo>());

        Assert.NotEmpty(module.Description);
        Assert.NotEqual(Guid.Empty, module.Guid);
    }

    [Fact]
    public void It_lists_exactly_the_cmdlets_of_the_assembly()
    {
        var cmdlets = session.Assembly.GetTypes().Select(type => type.GetCustomAttribute<CmdletAttribute>()).OfType<CmdletAttribute>();

        Assert.Equal(cmdlets.Select(c => $"{c.VerbName}-{c.NounName}").Order(), ModuleFolder.Cmdlets.Order());
        Assert.Equal(
            ModuleFolder.Cmdlets.Order(),
            session.Run("Get-Command -Module NixBuildFarm").OutputAs<CommandInfo>().Select(c => c.Name).Order());
    }

    [Theory]
    [InlineData("FunctionsToExport")]
    [InlineData("AliasesToExport")]
    [InlineData("VariablesToExport")]
    public void It_says_that_there_is_nothing_else(string key) => Assert.Empty(ModuleFolder.Strings(key));

    [Fact]
    public void Every_file_that_it_names_is_there_and_every_format_file_is_named()
    {
        Assert.All(
            [ModuleFolder.RootModule, .. ModuleFolder.FormatFiles, .. ModuleFolder.TypeFiles],
            file => Assert.True(File.Exists(ModuleFolder.FileOf(file)), file));
        Assert.Equal(
            Directory.GetFiles(ModuleFolder.Path, "*.ps1xml").Select(Path.GetFileName).Order(),
            ModuleFolder.FormatFiles.Concat(ModuleFolder.TypeFiles).Order());
    }

    [Fact]
    public void The_format_files_load_without_errors() =>
        _ = new FormatTable(ModuleFolder.FormatFiles.Select(file => ModuleFolder.FileOf(file)));

    [Fact]
    public void The_format_and_type_files_name_only_types_of_ours_that_are_public()
    {
        var assemblies = session.OutputTypes.Select(type => type.Assembly).Append(session.Assembly).ToHashSet();
        var named = ModuleFolder.FormatFiles.Concat(ModuleFolder.TypeFiles)
            .SelectMany(
                file =>
                    Regex.Matches(
                        File.ReadAllText(ModuleFolder.FileOf(file)),
                        @"[>\[](Deserialized\.)?(?<type>NixBuildFarm(\.\w+)+)[<\]]",
                        RegexOptions.NonBacktracking | RegexOptions.ExplicitCapture))
            .Select(match => match.Groups["type"].Value).ToHashSet();

        Assert.True(named.Count > 20, $"{named.Count} types were looked for");
        Assert.All(named, name => Assert.Contains(assemblies, assembly => assembly.GetType(name) is { IsPublic: true }));
    }

    [Fact]
    public void Module_and_assemblies_have_one_version() =>
        Assert.All(
            [session.Assembly, .. session.OutputTypes.Select(type => type.Assembly)],
            assembly => Assert.Equal(Version.Parse(ModuleFolder.Version), new Version(assembly.GetName().Version!.ToString(3))));
}
