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

    [Fact]
    public async Task Those_who_look_whether_a_farm_serves_are_in_nobodys_way()
    {
        using var serving = new FarmFolder($"looked-at-{Random.Shared.Next()}");
        try
        {
            serving.Hold(hasGuests: false);
            serving.Dispose();
            var look = new FileStream(Path.Combine(serving.Path, "lock"), FileMode.Open, FileAccess.Read, FileShare.Read);
            Assert.False(serving.IsServed);

            var end = Task.Run(() => Thread.Sleep(20), TestContext.Current.CancellationToken).ContinueWith(
                _ => look.Dispose(), TestContext.Current.CancellationToken, TaskContinuationOptions.None, TaskScheduler.Default);
            serving.Hold(hasGuests: false);

            Assert.True(serving.IsServed);
            await end;
        }
        finally
        {
            serving.Remove();
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("../other")]
    [InlineData("my farm")]
    [InlineData("abcdefghijklmnopqrstuvwxyzabcdefghijklmno")]
    public void Names_that_lead_elsewhere_are_refused(string name) =>
        Assert.Equal("InvalidFarmName", Assert.Throws<NixBuildFarmException>(() => new FarmFolder(name)).Id);
}
