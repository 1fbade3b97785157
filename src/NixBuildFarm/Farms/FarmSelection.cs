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

    /// <summary>No farm of this name serves.</summary>
    public static NixBuildFarmException NotFound(string name) => new(
        "FarmNotFound", $"No farm {name} serves.", $"Start-NixBuildFarm {name} starts it; Get-NixBuildFarm lists those that serve.");
}
