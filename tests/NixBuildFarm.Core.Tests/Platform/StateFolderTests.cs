using System.Diagnostics;
using NixBuildFarm.Builders.Policies;
using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Platform;

namespace NixBuildFarm.Core.Tests.Platform;

/// <summary>What is kept for later runs is kept where nobody else can change it.</summary>
public sealed class StateFolderTests : IDisposable
{
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly string folder = Directory.CreateTempSubdirectory("nixbuildfarm-state-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Theory]
    [InlineData(Private)]
    [InlineData(Private | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute)]
    public void A_folder_of_ones_own_is_used(UnixFileMode mode)
    {
        File.SetUnixFileMode(folder, mode);

        StateFolder.RequireOwn(folder, "XDG_STATE_HOME");
    }

    [Fact]
    public void A_folder_that_is_not_there_is_nobodys() => StateFolder.RequireOwn(Path.Combine(folder, "absent"), "XDG_STATE_HOME");

    [Theory]
    [InlineData(UnixFileMode.None)]
    [InlineData(UnixFileMode.StickyBit)]
    public void A_folder_that_everybody_may_write_to_is_refused_with_what_to_do(UnixFileMode more)
    {
        OpenToAll(folder, more);

        var error = Assert.Throws<NixBuildFarmException>(() => StateFolder.RequireOwn(folder, "XDG_STATE_HOME"));

        Assert.Equal("UnsafeFolder", error.Id);
        Assert.Contains($"Everybody may write to {folder}", error.Message);
        Assert.Contains($"chmod go-w '{folder}'", error.Recommendation);
        Assert.Contains("XDG_STATE_HOME", error.Recommendation);
    }

    [Fact]
    public void A_folder_of_another_user_is_refused_also_by_root_and_behind_a_link()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess && OperatingSystem.IsLinux(), "Only root can give a folder away.");
        var others = Directory.CreateDirectory(Path.Combine(folder, "others")).FullName;
        using (var chown = Process.Start("chown", ["12345", others])) chown.WaitForExit();
        var link = Directory.CreateSymbolicLink(Path.Combine(folder, "link"), others).FullName;

        foreach (var path in (string[])[others, link])
        {
            var error = Assert.Throws<NixBuildFarmException>(() => StateFolder.RequireOwn(path, "XDG_STATE_HOME"));

            Assert.Contains("belongs to the user with the id 12345", error.Message);
            Assert.Contains("XDG_STATE_HOME", error.Recommendation);
        }
    }

    [Fact]
    public void A_folder_of_root_is_as_good_as_ones_own() => StateFolder.RequireOwn("/usr", "XDG_STATE_HOME");

    [Fact]
    public void Policies_in_a_folder_that_is_open_to_all_are_neither_read_nor_written()
    {
        var file = new PolicyFile(Path.Combine(folder, "policy.json"));
        file.Update(set => set.With("ruby", new() { MaxJobs = 3 }), TestContext.Current.CancellationToken);
        OpenToAll(folder);

        Assert.Contains("XDG_CONFIG_HOME", Assert.Throws<NixBuildFarmException>(() => file.Read()).Recommendation);
        Assert.Throws<NixBuildFarmException>(() => file.Update(set => set.Without("ruby"), TestContext.Current.CancellationToken));
    }

    [Fact]
    public void Logs_in_a_folder_that_is_open_to_all_are_neither_shown_nor_deleted()
    {
        var run = Directory.CreateDirectory(Path.Combine(folder, "20260101-000000-aaaa")).FullName;
        OpenToAll(folder);
        var archive = new LogArchive(NoHistory.Instance, folder);

        Assert.Equal("UnsafeFolder", Assert.Throws<NixBuildFarmException>(() => archive.Recent().Any()).Id);
        Assert.Equal("UnsafeFolder", Assert.Throws<NixBuildFarmException>(() => archive.Delete([Path.GetFileName(run)])).Id);
        Assert.True(Directory.Exists(run));
    }

    private static void OpenToAll(string folder, UnixFileMode more = UnixFileMode.None) =>
        File.SetUnixFileMode(folder, Private | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute | more);
}
