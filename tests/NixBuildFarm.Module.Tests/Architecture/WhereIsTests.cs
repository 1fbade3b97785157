using System.Text.RegularExpressions;
using Mono.Cecil;
using NixBuildFarm.Module.Tests.Surface.Help;

namespace NixBuildFarm.Module.Tests.Architecture;

/// <summary>docs/architecture.md says where a behaviour is: the type, or its member, is in the folder that the table names.</summary>
public partial class WhereIsTests
{
    public static TheoryData<string, string> Places => [.. Read()];

    [Fact]
    public void The_table_answers_the_questions_of_a_stranger() => Assert.InRange(Places.Count, 18, 100);

    [Theory]
    [MemberData(nameof(Places))]
    public void The_place_is_there(string project, string place)
    {
        var (folder, name) = place.Split('/') is [var first, var second] ? (first, second) : ("", place);
        var (typeName, member) = name.Split('.') is [var type, var part] ? (type, part) : (name, null);
        using var module = ModuleDefinition.ReadModule(Dependencies.FileOf(project));

        var found = module.Types.SingleOrDefault(
            type => type.Name == typeName && type.Namespace.Split('.').Contains(folder.Length == 0 ? project.Split('.')[^1] : folder));

        Assert.NotNull(found);
        if (member is not null)
        {
            Assert.Contains(member, found.Methods.Select(method => method.Name).Concat(found.Properties.Select(property => property.Name)));
        }
    }

    private static IEnumerable<TheoryDataRow<string, string>> Read()
    {
        var text = File.ReadAllText(Path.Combine(HelpPages.Repository, "docs", "architecture.md"));
        return Row()
            .Matches(text)
            .Select(match => new TheoryDataRow<string, string>(match.Groups["project"].Value, match.Groups["place"].Value));
    }

    [GeneratedRegex(
        @"^\| [^|`]+\? \| `(?<project>[\w.]+)` \| `(?<place>[\w./]+)` \|",
        RegexOptions.Multiline | RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex Row();
}
