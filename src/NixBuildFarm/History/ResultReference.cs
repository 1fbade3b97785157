using System.Management.Automation;
using NixBuildFarm.Hosting;
using NixBuildFarm.Planning;

namespace NixBuildFarm.History;

/// <summary>
/// A result of a build, or a step of a plan, as it comes down a pipeline: as it was written, or as a bag of its properties from a job, a
/// file or another machine.
/// </summary>
/// <param name="Name">The derivation's name.</param>
/// <param name="DerivationPath">The path of the derivation.</param>
/// <param name="Status">How it ended; null where that is not said.</param>
/// <param name="LogPath">Its log; null where it has none.</param>
/// <param name="RunId">The run; empty where that is not said.</param>
internal sealed record ResultReference(string Name, string DerivationPath, string? Status, string? LogPath, string RunId)
{
    /// <summary>An object's reference to a derivation; null if it has none.</summary>
    public static ResultReference? From(object item)
    {
        // Its name is a builder's.
        if (PSObject.AsPSObject(item).TypeNames.Any(type => type.EndsWith(nameof(NixBuilderPolicyTest), StringComparison.Ordinal)))
        {
            return null;
        }
        return PropertyBag.TextProperty(item, nameof(NixBuildResult.DerivationPath)) is not { } derivation ? null : new(
            PropertyBag.TextProperty(item, nameof(NixBuildResult.Name)) ?? derivation,
            derivation,
            PropertyBag.TextProperty(item, nameof(NixBuildResult.Status)),
            PropertyBag.TextProperty(item, nameof(NixBuildResult.LogPath)),
            PropertyBag.TextProperty(item, nameof(NixBuildResult.RunId)) ?? "");
    }
}
