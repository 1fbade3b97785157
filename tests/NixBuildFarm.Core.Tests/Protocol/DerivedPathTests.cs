using NixBuildFarm.Protocol;
using NixBuildFarm.Store;

namespace NixBuildFarm.Core.Tests.Protocol;

public class DerivedPathTests
{
    private const string Drv = "/nix/store/iylhv1jiapks1396jz2fv8wq85q68y6y-a.drv";

    private static readonly StorePath Path = StorePath.Parse(Drv);

    [Fact]
    public void A_path_as_it_is_has_no_outputs()
    {
        Assert.True(DerivedPath.TryParse(Drv, out var path));

        Assert.Null(path.Outputs);
        Assert.Equal(DerivedPath.Opaque(Path), path);
    }

    [Fact]
    public void A_star_is_all_outputs()
    {
        Assert.True(DerivedPath.TryParse(Drv + "!*", out var path));

        Assert.Empty(path.Outputs!);
        Assert.Equal(DerivedPath.AllOutputs(Path), path);
    }

    [Fact]
    public void Outputs_are_named_after_the_mark()
    {
        Assert.True(DerivedPath.TryParse(Drv + "!out,dev", out var path));

        Assert.Equal(["out", "dev"], path.Outputs);
        Assert.Equal(DerivedPath.SomeOutputs(Path, "out", "dev"), path);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("!*")]
    [InlineData("/etc/passwd!out")]
    [InlineData(Drv + "!")]
    [InlineData(Drv + "!out,")]
    public void Anything_else_is_none(string? text) => Assert.False(DerivedPath.TryParse(text, out _));

    [Fact]
    public void No_outputs_are_not_some() => Assert.Throws<ArgumentException>(() => DerivedPath.SomeOutputs(Path));
}
