using System.Management.Automation;
using NixBuildFarm.Builders.Listing;
using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Errors;
using NixBuildFarm.Hosting;
using NixBuildFarm.Text;
using NixBuildFarm.Toml;

namespace NixBuildFarm.Builders;

/// <summary>The builders that this machine knows, for every cmdlet that needs them.</summary>
internal static class ConfiguredBuilders
{
    /// <summary>
    /// The builders with policies applied, for a command that works with them. A malformed entry of the list is a warning: the other
    /// builders are used, and asking for that builder by name is an error.
    /// </summary>
    /// <exception cref="NixBuildFarmException">Nix's settings, the list or the user's policies cannot be read.</exception>
    public static async Task<IReadOnlyList<NixBuilder>> ReadAsync(
        CommandOutput output, CancellationToken cancellation, Task<NixConfiguration>? settings = null)
    {
        var inventory = await ReadInventoryAsync(BuilderSource.Configured, cancellation, settings);
        foreach (var problem in inventory.Problems) output.Warning(InWords(problem));
        return PolicyStore.Default.ApplyTo(inventory.Builders);
    }

    /// <summary>The builders of a source, with policies applied. Problems go to the cmdlet's streams.</summary>
    /// <exception cref="NixBuildFarmException">Nix's settings, the source or the user's policies cannot be read.</exception>
    public static async Task<IReadOnlyList<NixBuilder>> ReadAsync(
        BuilderSource source, CommandOutput output, CancellationToken cancellation)
    {
        var inventory = await ReadInventoryAsync(source, cancellation);
        output.Problems(inventory.Problems);
        return PolicyStore.Default.ApplyTo(inventory.Builders);
    }

    /// <summary>The builders of a source, without policies.</summary>
    /// <exception cref="NixBuildFarmException">Nix's settings or the source cannot be read.</exception>
    public static Task<BuilderInventory> ReadInventoryAsync(
        BuilderSource source, CancellationToken cancellation, Task<NixConfiguration>? settings = null) =>
        BuilderInventory.ReadAsync(source, TomlMachineList.Read, cancellation, settings);

    /// <summary>Reports the problems of a source: unused entries as errors, the rest as warnings.</summary>
    public static void Problems(this CommandOutput output, IEnumerable<BuilderProblem> problems)
    {
        foreach (var problem in problems)
        {
            if (problem.Severity == ProblemSeverity.Error) output.Error(problem.ToErrorRecord());
            else output.Warning(InWords(problem));
        }
    }

    private static string InWords(BuilderProblem problem) =>
        problem.Recommendation is { } recommendation ? $"{problem}. {recommendation}" : problem.ToString();

    /// <summary>
    /// The builders of these names, in the order of the names, each once. A name may have wildcards;
    /// one without that fits nothing is an error in the cmdlet's stream.
    /// </summary>
    public static IReadOnlyList<NixBuilder> Named(this IReadOnlyList<NixBuilder> builders, IEnumerable<string> names, CommandOutput output)
    {
        var chosen = new List<NixBuilder>();
        foreach (var name in names)
        {
            var pattern = WildcardPattern.Get(name, WildcardOptions.IgnoreCase);
            var matches = builders.Where(b => pattern.IsMatch(b.Name)).ToList();
            if (matches.Count == 0 && !WildcardPattern.ContainsWildcardCharacters(name)) output.Error(NotFound(name, builders), name);
            var isName = !WildcardPattern.ContainsWildcardCharacters(name);
            chosen.AddRange(
                matches.Where(match => !chosen.Exists(c => c.Name == match.Name)).Select(match => isName ? match.Named() : match));
        }
        return chosen;
    }

    private static NixBuildFarmException NotFound(string name, IReadOnlyList<NixBuilder> builders)
    {
        var close = CloseNames.To(name, builders.Select(b => b.Name));
        return new(
            "BuilderNotFound",
            $"There is no builder “{name}”.",
            close.Count > 0
                ? $"Did you mean {string.Join(" or ", close)}?"
                : $"There are: {string.Join(", ", builders.Select(b => b.Name).Take(10))}{(builders.Count > 10 ? " …" : "")}.");
    }
}
