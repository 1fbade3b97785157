using NixBuildFarm.Sharing;
using NixBuildFarm.Store;
using static NixBuildFarm.Core.Tests.Sharing.SampleUnit;

namespace NixBuildFarm.Core.Tests.Sharing;

/// <summary>Compilers among the inputs of a build.</summary>
public class CompilerCandidateTests
{
    [Fact]
    public void A_wrapper_and_the_compiler_that_it_refers_to_are_a_candidate()
    {
        var candidate = Assert.Single(CompilerCandidate.Among([Info(Wrapper, Compiler, Path("gcc-12.2.0-lib"), Libc, Wrapper),
            Info(Compiler), Info(Libc)]));

        Assert.Equal(new(Wrapper, Compiler), candidate);
    }

    [Theory]
    [InlineData("gcc-wrapper-12.2.0", "gcc-12.2.0-lib")]
    [InlineData("gcc-wrapper-12.2.0", "gcc-12.2.0-libgcc")]
    [InlineData("gcc-wrapper-12.2.0-man", "gcc-12.2.0")]
    [InlineData("gcc-wrapper-12.2.0", "gcc-wrapper-11.0.0")]
    [InlineData("clang-wrapper-16.0.0", "gcc-12.2.0")]
    [InlineData("hello-2.12", "gcc-12.2.0")]
    public void What_is_no_compiler_is_none(string wrapper, string compiler) =>
        Assert.Empty(CompilerCandidate.Among([Info(Path(wrapper), Path(compiler))]));

    [Fact]
    public void A_cross_compiler_is_one_as_well() =>
        Assert.Single(CompilerCandidate.Among(
            [Info(Path("riscv64-unknown-linux-gnu-gcc-wrapper-12.2.0"), Path("riscv64-unknown-linux-gnu-gcc-12.2.0"))]));

    [Fact]
    public void The_shim_and_the_shadow_are_built_by_what_is_an_input_and_by_nothing_else()
    {
        var candidate = new CompilerCandidate(Wrapper, Compiler);
        var shim = ShimDerivations.Build(candidate, "x86_64-linux");
        var shadow = ShimDerivations.Shadow(candidate, shim.Output, "x86_64-linux");

        Assert.Equal($"{Wrapper}/bin/gcc", shim.Basic.Builder);
        Assert.Equal(new[] { Wrapper, Compiler, ShimDerivations.Source.Path }.Order(), shim.Basic.InputPaths);
        Assert.Equal(shim.Output.ToString(), shadow.Basic.Builder);
        Assert.Equal(Compiler.ToString(), shadow.Basic.Environment["toolchain"]);
        Assert.Equal(new[] { Compiler, shim.Output }.Order(), shadow.Basic.InputPaths);
        Assert.DoesNotContain(shim.Basic.Arguments, argument => argument.Contains(' '));
    }

    private static PathInfo Info(StorePath path, params StorePath[] references) =>
        new() { Path = path, NarHash = default, References = references };
}
