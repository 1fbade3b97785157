using System.Management.Automation;
using NixBuildFarm.Builders;

namespace NixBuildFarm;

/// <summary>Which builders a command works with: those that came down the pipeline, or those that are configured.</summary>
internal static class BuilderSelection
{
    /// <summary>
    /// Turns what was given into builders: builder objects, tests of builders, and names with wildcards. A name that no
    /// builder has is an error, and the others go on.
    /// </summary>
    public static async Task<IReadOnlyList<NixBuilder>> FromAsync(IReadOnlyList<object> given, CommandOutput output, CancellationToken cancellation)
    {
        var configured = new Lazy<Task<IReadOnlyList<NixBuilder>>>(() => ConfiguredBuilders.ReadAsync(listFile: null, output, cancellation));
        var selected = new List<NixBuilder>();
        foreach (var item in given.Select(item => item is PSObject wrapped ? wrapped.BaseObject : item))
        {
            switch (item)
            {
                case NixBuilder builder: selected.Add(builder); break;
                case NixBuilderTest test: selected.Add(test.Builder); break;
                case string name: selected.AddRange((await configured.Value).Named([name], output)); break;
                default:
                    throw new NixBuildFarmException("InvalidBuilder", $"“{item}” is no builder.", "Give what Get-NixBuilder gives, or names of builders.");
            }
        }
        return [.. selected.DistinctBy(builder => builder.Name)];
    }
}
