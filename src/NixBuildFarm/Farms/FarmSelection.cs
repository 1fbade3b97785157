using System.Management.Automation;
using NixBuildFarm.Errors;
using NixBuildFarm.Hosting;
using NixBuildFarm.Serving;

namespace NixBuildFarm.Farms;

/// <summary>Which farms a cmdlet works with.</summary>
internal static class FarmSelection
{
    /// <summary>
    /// The farms that serve and have these names. A name without wildcards that none has is an error, and the others go on.
    /// </summary>
    public static IReadOnlyList<FarmClient> Choose(IReadOnlyList<string> names, CommandOutput output)
    {
        var all = FarmClient.All();
        if (names.Count == 0) return all;
        foreach (var name in names.Where(name => !WildcardPattern.ContainsWildcardCharacters(name) && all.All(farm => farm.Name != name)))
        {
            output.Error(NotFound(name), name);
        }
        var patterns = names.Select(name => WildcardPattern.Get(name, WildcardOptions.None)).ToArray();
        return [.. all.Where(farm => patterns.Any(pattern => pattern.IsMatch(farm.Name)))];
    }

    /// <summary>The farm of a name that a cmdlet has build for it.</summary>
    /// <param name="name">The name.</param>
    /// <param name="own">The parameters given that say how the cmdlet itself would build, such as <c>-Builder</c>.</param>
    /// <exception cref="NixBuildFarmException">There are such parameters, or no farm of that name serves.</exception>
    public static FarmClient Find(string name, IReadOnlyCollection<string> own) => own.Count == 0
        ? FarmClient.Find(name) ?? throw NotFound(name)
        : throw new NixBuildFarmException(
            "FarmHasBuilders",
            $"The farm {name} has builders of its own, and its own way of using them.",
            $"Leave out {string.Join(", ", own)}, or -Farm.");

    private static NixBuildFarmException NotFound(string name) => new(
        "FarmNotFound", $"No farm {name} serves.", $"Start-NixBuildFarm {name} starts it; Get-NixBuildFarm lists those that serve.");
}
