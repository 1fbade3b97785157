using System.Management.Automation;
using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Errors;

namespace NixBuildFarm.Policies;

/// <summary>The policies that were set, for every cmdlet that needs them.</summary>
internal static class PolicyQuery
{
    /// <summary>
    /// The policies of one scope or (null) of both, of the builders named or (none) of all, and then the farm-wide one too.
    /// </summary>
    /// <exception cref="NixBuildFarmException">The user's policies cannot be read.</exception>
    public static IEnumerable<NixBuilderPolicy> Of(PolicyScope? scope, IReadOnlyList<string> names)
    {
        var patterns = names.Select(name => WildcardPattern.Get(name, WildcardOptions.IgnoreCase)).ToList();
        var scopes = scope is { } one ? [one] : Enum.GetValues<PolicyScope>();
        return scopes.SelectMany(PolicyStore.Default.List)
            .Where(p => patterns.Count == 0 || (p.Name is { } name && patterns.Exists(n => n.IsMatch(name))));
    }
}
