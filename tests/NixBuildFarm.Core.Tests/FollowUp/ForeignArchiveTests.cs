using System.Formats.Tar;
using NixBuildFarm.FollowUp;

namespace NixBuildFarm.Core.Tests.FollowUp;

/// <summary>The archive of a builder stays in its folder, whatever is in it.</summary>
public sealed class ForeignArchiveTests : IDisposable
{
    private const long Plenty = 1 << 20;
    private readonly string root = Directory.CreateTempSubdirectory("nixbuildfarm-archive-").FullName;

    public void Dispose() => Directory.Delete(root, recursive: true);

    private string Folder => Path.Combine(root, "folder");

    [Fact]
    public async Task Files_folders_and_links_are_unpacked_for_this_user_alone()
    {
        await UnpackAsync(
            new PaxTarEntry(TarEntryType.Directory, "./"),
            new PaxTarEntry(TarEntryType.Directory, "./src") { Mode = UnixFileMode.UserRead },
            FileOf("./src/run.sh", "echo", UnixFileMode.UserExecute | UnixFileMode.OtherWrite | UnixFileMode.SetUser),
            new PaxTarEntry(TarEntryType.SymbolicLink, "./cc") { LinkName = "/nix/store/gcc" });

        Assert.Equal("echo", File.ReadAllText(Path.Combine(Folder, "src/run.sh")));
        Assert.Equal(
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute,
            File.GetUnixFileMode(Path.Combine(Folder, "src/run.sh")));
        Assert.Equal("/nix/store/gcc", new FileInfo(Path.Combine(Folder, "cc")).LinkTarget);
        Assert.Equal(
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(Folder));
    }

    [Theory]
    [InlineData("../outside")]
    [InlineData("./a/../../outside")]
    [InlineData("/outside")]
    public async Task A_file_outside_of_it_is_refused(string name)
    {
        await Assert.ThrowsAsync<IOException>(() => UnpackAsync(FileOf(name, "bad")));

        Assert.False(File.Exists(Path.Combine(root, "outside")));
    }

    [Fact]
    public async Task Nothing_is_written_through_a_link()
    {
        Directory.CreateDirectory(Path.Combine(root, "elsewhere"));

        await Assert.ThrowsAsync<IOException>(() => UnpackAsync(
            new PaxTarEntry(TarEntryType.SymbolicLink, "door") { LinkName = Path.Combine(root, "elsewhere") }, FileOf("door/file", "bad")));

        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(root, "elsewhere")));
    }

    [Fact]
    public async Task Nothing_is_read_through_a_link()
    {
        File.WriteAllText(Path.Combine(root, "secret"), "secret");

        await Assert.ThrowsAsync<IOException>(() => UnpackAsync(
            new PaxTarEntry(TarEntryType.SymbolicLink, "door") { LinkName = root },
            new PaxTarEntry(TarEntryType.HardLink, "copy") { LinkName = "door/secret" }));

        Assert.False(File.Exists(Path.Combine(Folder, "copy")));
    }

    [Fact]
    public async Task A_second_name_of_a_file_becomes_a_second_file()
    {
        await UnpackAsync(FileOf("one", "text"), new PaxTarEntry(TarEntryType.HardLink, "two") { LinkName = "one" });

        Assert.Equal("text", File.ReadAllText(Path.Combine(Folder, "two")));
    }

    [Fact]
    public async Task Devices_and_pipes_are_left_out()
    {
        await UnpackAsync(
            new PaxTarEntry(TarEntryType.Fifo, "pipe"),
            new PaxTarEntry(TarEntryType.CharacterDevice, "device") { DeviceMajor = 1, DeviceMinor = 3 });

        Assert.Empty(Directory.EnumerateFileSystemEntries(Folder));
    }

    [Fact]
    public async Task What_is_too_large_is_given_up()
    {
        var error = await Assert.ThrowsAsync<IOException>(() => UnpackAsync(FileOf("large", new string('x', (int)Plenty + 1))));

        Assert.Contains("1 MiB", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Second_names_count_as_the_files_that_they_become()
    {
        var file = FileOf("one", new string('x', (int)Plenty / 2));

        var error = await Assert.ThrowsAsync<IOException>(() => UnpackAsync(
            file,
            new PaxTarEntry(TarEntryType.HardLink, "two") { LinkName = "one" },
            new PaxTarEntry(TarEntryType.HardLink, "three") { LinkName = "one" }));

        Assert.Contains("1 MiB", error.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(Folder, "three")));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(700)]
    public async Task What_is_no_whole_archive_is_an_error(int length)
    {
        var bytes = new MemoryStream(Archive(FileOf("file", new string('x', 5000))).ToArray()[..length]);

        await Assert.ThrowsAnyAsync<IOException>(
            () => ForeignArchive.UnpackAsync(bytes, Folder, Plenty, TestContext.Current.CancellationToken));
    }

    private Task UnpackAsync(params TarEntry[] entries) =>
        ForeignArchive.UnpackAsync(Archive(entries), Folder, Plenty, TestContext.Current.CancellationToken);

    private static MemoryStream Archive(params TarEntry[] entries)
    {
        var archive = new MemoryStream();
        using (var writer = new TarWriter(archive, leaveOpen: true))
        {
            foreach (var entry in entries) writer.WriteEntry(entry);
        }
        archive.Position = 0;
        return archive;
    }

    private static PaxTarEntry FileOf(string name, string text, UnixFileMode mode = UnixFileMode.UserRead) =>
        new(TarEntryType.RegularFile, name) { DataStream = new MemoryStream(System.Text.Encoding.UTF8.GetBytes(text)), Mode = mode };
}
