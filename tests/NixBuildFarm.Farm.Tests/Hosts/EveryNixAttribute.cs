using Xunit.v3;

namespace NixBuildFarm.Farm.Tests.Hosts;

/// <summary>
/// A test that runs on farms of other versions of Nix too: it stands for what a version may change, and is quick. <c>build/Test.ps1</c>
/// chooses such tests by the trait <c>Nix=every</c>.
/// </summary>
/// <param name="feature">
/// The row of <c>docs/nix-versions.md</c> that it proves; null: none. Where a version of Nix lacks the feature, the test is skipped there,
/// with the reason.
/// </param>
[AttributeUsage(AttributeTargets.Method)]
public sealed class EveryNixAttribute(string? feature = null) : Attribute, ITraitAttribute
{
    public string? Feature => feature;

    public IReadOnlyCollection<KeyValuePair<string, string>> GetTraits() =>
        feature is null ? [new("Nix", "every")] : [new("Nix", "every"), new("Feature", feature)];
}
