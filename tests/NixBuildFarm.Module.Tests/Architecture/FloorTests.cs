using System.Text.RegularExpressions;
using NixBuildFarm.Module.Tests.Surface.Help;

namespace NixBuildFarm.Module.Tests.Architecture;

/// <summary>The folders of each project stand on floors: docs/architecture.md says which, and a type uses only what lies below.</summary>
public partial class FloorTests
{
    /// <summary>The table of floors: an assembly, a floor, its folders.</summary>
    private static readonly IReadOnlyList<(string Assembly, int Floor, string Folder)> Floors = Read();

    public static TheoryData<string, string> Assemblies => new()
    {
        { "NixBuildFarm.Core", "NixBuildFarm" },
        { "NixBuildFarm.Ssh", "NixBuildFarm.Ssh" },
        { "NixBuildFarm.History", "NixBuildFarm.History" },
        { "NixBuildFarm.Toml", "NixBuildFarm.Toml" },
        { "NixBuildFarm", "NixBuildFarm" },
    };

    [Theory]
    [MemberData(nameof(Assemblies))]
    public void Every_folder_has_a_floor(string assembly, string rootNamespace) => Assert.Equal(
        new Dependencies(assembly, rootNamespace).Folders().Where(folder => folder.Length > 0),
        Floors.Where(floor => floor.Assembly == assembly).Select(floor => floor.Folder).Order());

    [Theory]
    [MemberData(nameof(Assemblies))]
    public void A_type_uses_only_folders_below_its_own(string assembly, string rootNamespace)
    {
        var floors = Floors.Where(floor => floor.Assembly == assembly).ToDictionary(floor => floor.Folder, floor => floor.Floor);

        // What lies in a project's own folder, its face, stands above all folders.
        var wrong = new Dependencies(assembly, rootNamespace).BetweenFolders().Where(use => FloorOf(use.From) <= FloorOf(use.To));

        Assert.Empty(wrong.Select(use => use.ToString()).Order());

        int FloorOf(string folder) => folder.Length == 0 ? int.MaxValue : floors.GetValueOrDefault(folder, int.MinValue);
    }

    private static List<(string Assembly, int Floor, string Folder)> Read()
    {
        var text = File.ReadAllText(Path.Combine(HelpPages.Repository, "docs", "architecture.md"));
        return [.. FloorLine().Matches(text).SelectMany(match => match.Groups["folders"].Value.Split(
            ' ', StringSplitOptions.RemoveEmptyEntries)
            .Select(folder => (match.Groups["assembly"].Value, int.Parse(match.Groups["floor"].Value, null), folder.Trim('`', ','))))];
    }

    [GeneratedRegex(
        @"^\| `(?<assembly>NixBuildFarm[\w.]*)` \| (?<floor>\d+) \| (?<folders>[^|]*) \|",
        RegexOptions.Multiline | RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex FloorLine();
}
