using System.Management.Automation;
using NixBuildFarm.Hosting;
using NixBuildFarm.Testing;

namespace NixBuildFarm.Builders;

/// <summary>Builders from whatever describes them in a pipeline.</summary>
internal static class BuilderDescriptions
{
    /// <summary>
    /// Reads builder objects, tests of builders, names of configured builders, and objects with the properties of a builder. A malformed
    /// one is reported, and the others are used.
    /// </summary>
    public static async Task<IReadOnlyList<NixBuilder>> ReadAsync(
        IReadOnlyList<PSObject> given, CommandOutput output, CancellationToken cancellation)
    {
        var builders = new List<NixBuilder>();
        var described = new BuilderObjects(LocalBuilder.From(await NixConfiguration.ReadAsync(cancellation)));
        foreach (var item in given)
        {
            switch (item.BaseObject)
            {
                case NixBuilder builder: builders.Add(builder); break;
                case NixBuilderTest test: builders.Add(test.Builder); break;
                case string name:
                    builders.AddRange((await ConfiguredBuilders.ReadAsync(output, cancellation)).Named([name], output));
                    break;
                default: described.Add(item); break;
            }
        }
        var list = described.ToBuilders();
        output.Problems(list.Problems);
        return [.. builders, .. list.Builders];
    }
}
