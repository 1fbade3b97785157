using NixBuildFarm.Scheduling;
using static NixBuildFarm.Core.Tests.Scheduling.Given;

namespace NixBuildFarm.Core.Tests.Scheduling;

/// <summary>What is guessed of the memory of a build that nobody has seen.</summary>
public class MemoryPriorsTests
{
    [Theory]
    [InlineData("python3.13-tensorflow-2.20.0", 25.6, 29.9)]
    [InlineData("python3.12-torch-2.9.1", 18.1, 41.8)]
    [InlineData("llvm-21.1.2", 16.1, 18.5)]
    [InlineData("rustc-1.90.0", 19.7, 28.9)]
    [InlineData("riscv64-unknown-linux-gnu-llvm-21.1.2", 16.1, 18.5)]
    [InlineData("cmake-minimal-4.1.2", 2.4, 3.1)]
    [InlineData("onetbb-2022.2.0", 6.4, 7.1)]
    [InlineData("boost188-1.88.0", 2.1, 2.5)]
    public void A_package_of_the_table_has_its_median_and_exceeds_its_ninety_percent_once_in_ten(string name, double median, double ninety)
    {
        var estimate = PackagePriors.For(Job(name));

        Assert.Equal(median, estimate.Memory / 1e9, 0.001);
        Assert.Equal(ninety, estimate.Memory / 1e9 * Math.Exp(1.28 * estimate.MemorySpread), 0.001);
        Assert.InRange(estimate.MemoryNeed / 1e9, median, ninety);
    }

    [Theory]
    [InlineData("llvm-src-21.1.2")]
    [InlineData("gcc-wrapper-14.3.0")]
    [InlineData("fix-build.patch")]
    public void Small_things_take_no_memory_that_counts(string name) => Assert.Equal(0, PackagePriors.For(Job(name)).MemoryNeed);

    [Fact]
    public void Downloads_and_what_Nix_builds_itself_take_no_memory_that_counts()
    {
        Assert.Equal(0, PackagePriors.For(Job("llvm-21.1.2") with { IsFixedOutput = true }).MemoryNeed);
        Assert.Equal(0, PackagePriors.For(Job("llvm-21.1.2") with { System = NixBuildFarm.Scheduling.Job.Builtin }).MemoryNeed);
        Assert.Equal(0, PackagePriors.For(Job("llvm-21.1.2") with { PreferLocal = true }).MemoryNeed);
    }

    [Fact]
    public void An_unknown_package_is_guessed_from_what_it_asks_for()
    {
        var plain = PackagePriors.For(Job("frobnicate-1.0"));
        var parallel = PackagePriors.For(Job("frobnicate-1.0") with { EnableParallelBuilding = true });
        var huge = PackagePriors.For(Job("frobnicate-1.0") with { RequiredFeatures = ["big-parallel"] });

        Assert.InRange(plain.MemoryNeed, 200e6, 1e9);
        Assert.InRange(parallel.MemoryNeed, 2 * plain.MemoryNeed, 2e9);
        Assert.InRange(huge.MemoryNeed, 10 * parallel.MemoryNeed, 20e9);
        Assert.True(parallel.MemorySpread > PackagePriors.For(Job("llvm-21.1.2")).MemorySpread);
    }

    [Fact]
    public void A_guess_without_names_knows_no_package() =>
        Assert.Equal(
            PackagePriors.For(Job("frobnicate-1.0") with { EnableParallelBuilding = true }).MemoryNeed,
            PackagePriors.WithoutNames(Job("llvm-21.1.2") with { EnableParallelBuilding = true }).MemoryNeed);
}
