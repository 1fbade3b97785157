using System.Text.RegularExpressions;

namespace NixBuildFarm.Bench;

/// <summary>The options of a benchmark, as they are in its usage: what that does not name is a mistake.</summary>
internal sealed partial class BenchArguments(IReadOnlyList<string> given, string usage)
{
    /// <summary>Whether help is asked for.</summary>
    public bool AsksForHelp => given.Any(argument => argument is "--help" or "-h");

    /// <summary>The first option that the usage does not name; null: there is none.</summary>
    public string? Unknown
    {
        get
        {
            var known = Option().Matches(usage).Select(match => match.Value).ToHashSet();
            return given.FirstOrDefault(argument => argument.StartsWith("--", StringComparison.Ordinal) && !known.Contains(argument));
        }
    }

    /// <summary>Whether an option is there.</summary>
    public bool Has(string option) => given.Contains(option);

    /// <summary>What follows an option; null: it is not there.</summary>
    public string? this[string option]
    {
        get
        {
            var at = given.ToList().IndexOf(option);
            return at >= 0 && at + 1 < given.Count ? given[at + 1] : null;
        }
    }

    /// <summary>The number that follows an option.</summary>
    public int Number(string option, int otherwise) => this[option] is { } text ? int.Parse(text) : otherwise;

    /// <summary>Whether a name is one of those that follow an option, with commas between them, or the option is not there.</summary>
    public bool Wants(string option, string name) => this[option] is not { } wanted || wanted.Split(',').Contains(name);

    [GeneratedRegex("--[a-z]+", RegexOptions.CultureInvariant, 60_000)]
    private static partial Regex Option();
}
