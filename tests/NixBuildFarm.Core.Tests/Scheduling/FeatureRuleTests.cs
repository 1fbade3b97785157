using NixBuildFarm.Scheduling;
using static NixBuildFarm.Core.Tests.Scheduling.Given;

namespace NixBuildFarm.Core.Tests.Scheduling;

/// <summary>
/// Nix's rule for features (src/libstore/machines.cc): a builder takes a derivation if it has all that is required, supported or
/// mandatory, and all that is mandatory is required.
/// </summary>
public class FeatureRuleTests
{
    private static readonly string[] Features = ["kvm", "big-parallel", "benchmark", "nixos-test"];

    public static TheoryData<string, string, string, bool> Table => new()
    {
        // required, supported, mandatory, taken
        { "", "", "", true },
        { "", "kvm", "", true },
        { "", "", "kvm", false },
        { "", "kvm", "kvm", false },
        { "kvm", "", "", false },
        { "kvm", "kvm", "", true },
        { "kvm", "", "kvm", true },
        { "kvm", "kvm", "kvm", true },
        { "kvm", "big-parallel", "", false },
        { "kvm", "kvm", "benchmark", false },
        { "kvm benchmark", "kvm", "benchmark", true },
        { "kvm benchmark", "", "kvm benchmark", true },
        { "kvm nixos-test", "kvm nixos-test", "", true },
        { "kvm nixos-test", "kvm", "", false },
        { "benchmark", "kvm big-parallel nixos-test", "benchmark", true },
        { "big-parallel", "kvm big-parallel nixos-test", "benchmark", false },
        { "big-parallel benchmark", "big-parallel", "benchmark kvm", false },
    };

    [Theory]
    [MemberData(nameof(Table))]
    public void A_builder_takes_what_the_table_says(string required, string supported, string mandatory, bool taken) =>
        Assert.Equal(taken, Takes(Words(required), Words(supported), Words(mandatory)));

    [Fact]
    public void Every_combination_of_the_four_features_follows_the_rule()
    {
        foreach (var required in Subsets())
        {
            foreach (var supported in Subsets())
            {
                foreach (var mandatory in Subsets())
                {
                    var expected = !required.Except(supported.Union(mandatory)).Any() && !mandatory.Except(required).Any();
                    Assert.Equal(expected, Takes(required, supported, mandatory));
                }
            }
        }
    }

    private static bool Takes(string[] required, string[] supported, string[] mandatory) => Eligibility.Of(
        Job("a") with { RequiredFeatures = required }, Builder("b") with { SupportedFeatures = supported, MandatoryFeatures = mandatory })
            .IsEligible;

    private static string[] Words(string text) => text.Split(' ', StringSplitOptions.RemoveEmptyEntries);

    private static IEnumerable<string[]> Subsets() =>
        Enumerable.Range(0, 1 << Features.Length).Select(bits => Features.Where((_, i) => (bits >> i & 1) == 1).ToArray());
}
