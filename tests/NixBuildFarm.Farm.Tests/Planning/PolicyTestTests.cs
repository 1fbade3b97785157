using NixBuildFarm.Farm.Tests.Builds;

namespace NixBuildFarm.Farm.Tests.Planning;

/// <summary><c>Test-NixBuilderPolicy</c>: which builder would take a derivation, and why each other would not.</summary>
public sealed class PolicyTestTests : IDisposable
{
    private readonly BuildSession session = new();

    public void Dispose() => session.Dispose();

    [Fact]
    public void Each_builder_tells_when_it_would_be_done_or_why_it_may_not()
    {
        session.Write("picky", """{ arm = attrs { system = "aarch64-linux"; } "arm" "" [ ]; any = package "any" "" [ ]; }""");
        session.Run("Set-NixBuilderPolicy kana -Enabled $false -Scope Session");

        var any = session.Run("Test-NixBuilderPolicy -Path picky.nix -Attribute any").Script.Output.ToDictionary(test => $"{test}");
        var arm = session.Run("Test-NixBuilderPolicy -Path picky.nix -Attribute arm").Script.Output;
        session.Run("Reset-NixBuilderPolicy -All -Scope Session");

        Assert.Equal(["aquamarine", "kana", "local", "ruby"], any.Keys.Order());
        Assert.Single(any.Values, test => (bool)test.Properties["IsChosen"].Value);
        Assert.Equal("it is disabled", any["kana"].Properties["Reason"].Value);
        Assert.All(
            any.Where(test => test.Key != "kana").Select(test => test.Value),
            test => Assert.True((TimeSpan)test.Properties["EstimatedFinish"].Value > TimeSpan.Zero));
        Assert.All(arm, test => Assert.False((bool)test.Properties["Eligible"].Value));
        Assert.Contains(
            arm, test => $"{test.Properties["Reason"].Value}".StartsWith("it does not build aarch64-linux", StringComparison.Ordinal));
    }

    [Fact]
    public void A_derivation_that_is_not_there_costs_no_result_of_those_before_it()
    {
        session.Write("one", """package "one" "" [ ]""");

        var tests = session.Run("""
            $one = (Invoke-NixDistributedBuild -Path one.nix -WhatIf).DerivationPath
            Test-NixBuilderPolicy -DerivationPath $one, ($one -replace 'one', 'two') -Builder ruby, kana
            """);

        Assert.Equal(["kana", "ruby"], tests.Script.Output.Select(test => $"{test}").Order());
        Assert.Contains("DerivationNotFound", tests.Errors);
    }

    [Fact]
    public void Plans_can_be_piped_in_and_names_of_builders_be_given()
    {
        session.Write("chain", """package "top" "" [ (package "bottom" "" [ ]) ]""");

        var tests = session.Run("Invoke-NixDistributedBuild -Path chain.nix -WhatIf | Test-NixBuilderPolicy -Builder ruby, k*")
            .Script.Output;

        Assert.Equal(
            ["bottom kana", "bottom ruby", "top kana", "top ruby"],
            tests.Select(test => $"{test.Properties["Derivation"].Value} {test}").Order());
    }
}
