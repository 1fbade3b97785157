using NixBuildFarm.Builders;
using NixBuildFarm.Sessions;

namespace NixBuildFarm.Core.Tests.Sessions;

/// <summary>A builder tells its system and features as it refuses a build, in the words of Nix 2.8 and 2.26, 2.32 and 2.34.</summary>
public class BuilderProbeTests
{
    private const string Features = "benchmark, big-parallel, kvm, nixos-test";
    private static readonly BuilderFacts Nothing = new() { Protocol = "1.38", Trusted = true };

    [Theory]
    [InlineData(
        "a 'nixbuildfarm-probe' with features {nixbuildfarm-probe} is required to build '/nix/store/…-nixbuildfarm-probe.drv', but I am a "
            + $"'x86_64-linux' with features {{{Features}}}")]
    [InlineData(
        "Cannot build '/nix/store/…-nixbuildfarm-probe.drv'.\nReason: required system or feature not available\nRequired system: "
            + "'nixbuildfarm-probe' with features {nixbuildfarm-probe}\nCurrent system: 'x86_64-linux' with features {" + Features + "}")]
    [InlineData(
        "Cannot build '/nix/store/…-nixbuildfarm-probe.drv'.\nReason: platform mismatch\nRequired system: 'nixbuildfarm-probe'\nCurrent "
            + "system: 'x86_64-linux'\nReason: missing system features\nRequired features: {nixbuildfarm-probe}\nAvailable features: {"
            + Features + "}")]
    public void System_and_features_are_read_from_the_refusal(string answer)
    {
        var facts = BuilderProbe.ReadAnswer(Nothing, answer);

        Assert.Equal("x86_64-linux", facts.System);
        Assert.Equal(["benchmark", "big-parallel", "kvm", "nixos-test"], facts.Features);
    }

    [Fact]
    public void A_builder_without_features_has_none_and_one_that_tells_nothing_stays_unknown()
    {
        Assert.Empty(BuilderProbe.ReadAnswer(Nothing, "but I am a 'riscv64-linux' with features {}").Features!);
        Assert.Equal(Nothing, BuilderProbe.ReadAnswer(Nothing, "cannot build missing derivation"));
    }
}
