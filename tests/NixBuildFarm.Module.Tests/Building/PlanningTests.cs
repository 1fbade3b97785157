using NixBuildFarm.Module.Tests.Builders;

namespace NixBuildFarm.Module.Tests.Building;

/// <summary>What can be seen of plans without a store; the farm's tests make real ones.</summary>
[Collection(MachineGroup.Name)]
public sealed class PlanningTests : IDisposable
{
    private readonly MachineSession machine = new("ruby x86_64-linux");

    public void Dispose() => machine.Dispose();

    [Theory]
    [InlineData("Test-NixBuilderPolicy -DerivationPath /tmp/a.drv", "MalformedDerivationPath")]
    [InlineData("[pscustomobject]@{ DerivationPath = 'nonsense' } | Test-NixBuilderPolicy", "MalformedDerivationPath")]
    [InlineData("Test-NixBuilderPolicy -DerivationPath /nix/store/00000000000000000000000000000000-gone.drv", "DerivationNotFound")]
    [InlineData(
        "Test-NixBuilderPolicy -DerivationPath /nix/store/00000000000000000000000000000000-gone.drv -Builder nobody", "BuilderNotFound")]
    [InlineData("Invoke-NixDistributedBuild -DerivationPath /tmp/a.drv -WhatIf", "MalformedDerivationPath")]
    public void A_path_that_is_no_derivation_and_a_name_that_is_no_builder_are_errors(string command, string id)
    {
        var result = machine.Run(command);

        Assert.Empty(result.Output);
        Assert.StartsWith(
            id + ",", (result.TerminatingError ?? Assert.Single(result.Errors)).FullyQualifiedErrorId, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("-DerivationPath a.drv -OutLink Env:/PATH")]
    [InlineData("-DerivationPath a.drv -LogPath Env:/PATH")]
    [InlineData("-DerivationPath a.drv -LogTo Env:/PATH")]
    [InlineData("-DerivationPath a.drv -JsonLog Env:/PATH")]
    [InlineData("-Path Env:/PATH")]
    public void A_file_of_a_build_has_to_be_on_a_file_system(string parameters)
    {
        var result = machine.Run($"Invoke-NixDistributedBuild {parameters} -WhatIf");

        Assert.Empty(result.Output);
        Assert.StartsWith(
            "NotAFile,", (result.TerminatingError ?? Assert.Single(result.Errors)).FullyQualifiedErrorId, StringComparison.Ordinal);
    }

    [Fact]
    public void Nothing_through_the_pipeline_tests_nothing()
    {
        var result = machine.Run("@() | Test-NixBuilderPolicy");

        Assert.Empty(result.Output);
    }

    [Fact]
    public void Builders_are_completed()
    {
        Assert.Contains(machine.Complete("Test-NixBuilderPolicy nixpkgs#hello -Builder ru"), match => match.CompletionText == "ruby");
        Assert.Contains(machine.Complete("Measure-NixBuild -WithoutBuilder ru"), match => match.CompletionText == "ruby");
    }
}
