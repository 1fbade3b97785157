using NixBuildFarm.Store;

namespace NixBuildFarm.Core.Tests.Store;

public class StorePathTests
{
    private const string Hello = "/nix/store/iylhv1jiapks1396jz2fv8wq85q68y6y-hello-2.10.drv";

    [Fact]
    public void A_store_path_has_a_hash_and_a_name()
    {
        var path = StorePath.Parse(Hello);

        Assert.Equal("iylhv1jiapks1396jz2fv8wq85q68y6y", path.HashPart);
        Assert.Equal("hello-2.10.drv", path.Name);
        Assert.True(path.IsDerivation);
        Assert.Equal(Hello, path.ToString());
    }

    [Theory]
    [InlineData("", "does not begin with")]
    [InlineData("/etc/passwd", "does not begin with")]
    [InlineData("/nix/store/iylhv1jiapks1396jz2fv8wq85q68y6y", "too short")]
    [InlineData("/nix/store/eylhv1jiapks1396jz2fv8wq85q68y6y-hello", "not base 32")]
    [InlineData("/nix/store/iylhv1jiapks1396jz2fv8wq85q68y6yxhello", "no dash")]
    [InlineData("/nix/store/iylhv1jiapks1396jz2fv8wq85q68y6y-he/llo", "the character '/'")]
    [InlineData("/nix/store/iylhv1jiapks1396jz2fv8wq85q68y6y-..", "dots")]
    public void A_malformed_store_path_is_refused_with_the_reason(string text, string reason)
    {
        Assert.False(StorePath.TryParse(text, out _));
        Assert.Contains(reason, Assert.Throws<FormatException>(() => StorePath.Parse(text)).Message);
    }
}
