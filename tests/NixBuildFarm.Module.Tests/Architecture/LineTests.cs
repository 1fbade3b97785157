using System.Text.RegularExpressions;
using NixBuildFarm.Module.Tests.Surface.Help;

namespace NixBuildFarm.Module.Tests.Architecture;

/// <summary>Lines of code keep to the limit that .editorconfig states.</summary>
public partial class LineTests
{
    /// <summary>A word of at least this length, such as a key, leaves no sensible place to break its line.</summary>
    private const int LongWord = 70;

    private static readonly string[] Endings = [".cs", ".ps1", ".psm1", ".sh", ".js", ".mjs"];

    [Theory]
    [InlineData("src")]
    [InlineData("tests")]
    [InlineData("tools")]
    [InlineData("bench")]
    [InlineData("build")]
    public void No_line_is_longer_than_the_limit(string folder)
    {
        var files = Directory.EnumerateFiles(Path.Combine(HelpPages.Repository, folder), "*", SearchOption.AllDirectories)
            .Where(file => Endings.Contains(Path.GetExtension(file)) && !file.Contains("/node_modules/", StringComparison.Ordinal))
            .ToArray();

        Assert.NotEmpty(files);
        Assert.Empty(files.SelectMany(file => TooLong(File.ReadLines(file), Path.GetRelativePath(HelpPages.Repository, file))));
    }

    [Theory]
    [InlineData(141, "", 1)]
    [InlineData(140, "", 0)]
    [InlineData(141, "var text = \"\"\"a {} b\"\"\";", 0)]
    [InlineData(141, "\"\"\"\n{}\n\"\"\"", 0)]
    [InlineData(141, "\"\"\"\nx\n\"\"\"\n{}", 1)]
    [InlineData(141, "[GeneratedRegex(@\"{}\")]", 0)]
    public void Only_a_line_that_can_be_broken_counts(int length, string around, int expected)
    {
        var words = string.Join(' ', Enumerable.Repeat("word", length))[..length];
        var text = around.Length == 0 ? words : around.Replace("{}", words, StringComparison.Ordinal);

        Assert.Equal(expected, TooLong(text.Split('\n'), "a file").Count());
    }

    /// <summary>The lines over the limit, but for those that a literal makes so long and that cannot be broken.</summary>
    private static IEnumerable<string> TooLong(IEnumerable<string> lines, string file)
    {
        var (number, isRaw) = (0, false);
        foreach (var line in lines)
        {
            number++;
            var wasRaw = isRaw;
            if (line.Split("\"\"\"").Length % 2 == 0) isRaw = !isRaw;
            if (line.Length <= Limit || wasRaw || line.Contains("\"\"\"", StringComparison.Ordinal)) continue;
            if (line.Contains("@\"", StringComparison.Ordinal) || line.Split(' ').Any(word => word.Length >= LongWord)) continue;
            yield return $"{file}:{number} has {line.Length} characters";
        }
    }

    private static int Limit { get; } = int.Parse(
        LimitLine().Match(File.ReadAllText(Path.Combine(HelpPages.Repository, ".editorconfig"))).Groups["limit"].Value, null);

    [GeneratedRegex(
        @"^max_line_length = (?<limit>\d+)$", RegexOptions.Multiline | RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex LimitLine();
}
