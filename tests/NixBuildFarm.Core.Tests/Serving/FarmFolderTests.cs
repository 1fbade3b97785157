using NixBuildFarm.Errors;
using NixBuildFarm.Serving;

namespace NixBuildFarm.Core.Tests.Serving;

/// <summary>A farm that serves has a folder of its name.</summary>
public sealed class FarmFolderTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("nixbuildfarm-farms-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void Folders_that_no_farm_can_have_made_are_left_alone()
    {
        string[] names = ["team", "default", "my farm", ".hidden", "a\nb"];
        foreach (var name in names) Directory.CreateDirectory(Path.Combine(folder, name));
        File.WriteAllText(Path.Combine(folder, "file"), "");

        Assert.Equal(["default", "team"], FarmFolder.NamesIn(folder));
    }

    [Fact]
    public void There_is_no_farm_before_the_first_one() => Assert.Empty(FarmFolder.NamesIn(Path.Combine(folder, "none")));

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("../other")]
    [InlineData("my farm")]
    [InlineData("abcdefghijklmnopqrstuvwxyzabcdefghijklmno")]
    public void Names_that_lead_elsewhere_are_refused(string name) =>
        Assert.Equal("InvalidFarmName", Assert.Throws<NixBuildFarmException>(() => new FarmFolder(name)).Id);
}
