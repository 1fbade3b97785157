using System.Management.Automation;
using NixBuildFarm.Errors;
using NixBuildFarm.Hosting;
using NixBuildFarm.Testing;

namespace NixBuildFarm.Builders;

/// <summary>Which builders a command works with: those that came down the pipeline, or those that are configured.</summary>
internal static class BuilderSelection
{
    // As the cmdlets that take builders by name only: -Name with its aliases.
    private static readonly string[] NameProperties = ["Name", "HostName", "ComputerName"];

    /// <summary>
    /// Resolves arguments to builders: builder objects, tests of builders, names with wildcards, and objects with such a name as a
    /// property. An unknown name is an error, and the others are used.
    /// </summary>
    public static async Task<IReadOnlyList<NixBuilder>> FromAsync(
        IReadOnlyList<object> given, CommandOutput output, CancellationToken cancellation, Task<NixConfiguration>? settings = null)
    {
        var configured = new Lazy<Task<IReadOnlyList<NixBuilder>>>(() => ConfiguredBuilders.ReadAsync(output, cancellation, settings));
        var selected = new List<NixBuilder>();
        foreach (var item in given)
        {
            switch (item is PSObject wrapped ? wrapped.BaseObject : item)
            {
                case NixBuilder builder: selected.Add(builder); break;
                case NixBuilderTest test: selected.Add(test.Builder); break;
                case string name: selected.AddRange((await configured.Value).Named([name], output)); break;
                case var _ when NameOf(item) is { } name: selected.AddRange((await configured.Value).Named([name], output)); break;
                default:
                    throw new NixBuildFarmException(
                        "InvalidBuilder", $"“{item}” is no builder.", "Give what Get-NixBuilder gives, or names of builders.");
            }
        }
        return selected.Distinct(output);
    }

    /// <summary>Each builder once. Another one of the same name is an error: it could not be told from the first.</summary>
    public static IReadOnlyList<NixBuilder> Distinct(this IEnumerable<NixBuilder> builders, CommandOutput output)
    {
        var byName = new Dictionary<string, NixBuilder>(StringComparer.OrdinalIgnoreCase);
        foreach (var builder in builders)
        {
            if (byName.TryAdd(builder.Name, builder)) continue;
            var first = byName[builder.Name];
            if (first.Uri == builder.Uri) continue;
            output.Error(new NixBuildFarmException(
                "DuplicateBuilder",
                $"There are two builders “{builder.Name}”: {first.Uri} ({first.Source}) and {builder.Uri} ({builder.Source}). The second "
                    + "is not used.",
                "Give one of them another name: in TOML each has its own."), builder);
        }
        return [.. byName.Values];
    }

    private static string? NameOf(object item) =>
        NameProperties.Select(property => PSObject.AsPSObject(item).Properties[property]?.Value as string)
            .FirstOrDefault(name => !string.IsNullOrEmpty(name));
}
