using Xunit.v3;

namespace NixBuildFarm.Farm.Tests.Hosts;

/// <summary>
/// A test that runs on farms of other versions of Nix too: it stands for what a version may change, and is quick. <c>build/Test.ps1</c>
/// chooses such tests by the trait <c>Nix=every</c>.
/// </summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class EveryNixAttribute : Attribute, ITraitAttribute
{
    public IReadOnlyCollection<KeyValuePair<string, string>> GetTraits() => [new("Nix", "every")];
}
