using System.Text;
using CsCheck;
using NixBuildFarm.Store.Nar;

namespace NixBuildFarm.Core.Tests.Store;

/// <summary>NARs of what lies on this machine's disk.</summary>
public sealed class NarWriterTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private int trees;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => folder.Dispose();

    [Fact]
    public async Task The_NAR_of_a_tree_on_disk_is_that_of_the_tree() => await NarTree.Portable.SampleAsync(
        async tree => Assert.Equal(tree.Encode(), await WriteAsync(tree)), iter: 200, threads: 1);

    [Fact]
    public async Task A_large_file_comes_whole()
    {
        var content = new byte[(1 << 20) + 3];
        new Random(1).NextBytes(content);

        var file = new NarTree.File(content, IsExecutable: true);
        Assert.Equal(file.Encode(), await WriteAsync(file));
    }

    [Fact]
    public async Task A_name_that_is_no_UTF8_is_an_error_rather_than_another_name()
    {
        Put(new NarTree.Link(NarTree.Utf8("bad\uFFFDtarget")), folder["link"]);

        await Assert.ThrowsAsync<IOException>(() => NarWriter.WriteAsync(folder["link"], Stream.Null, Cancellation));
    }

    [Fact]
    public async Task What_is_not_there_is_an_error() => await Assert.ThrowsAsync<FileNotFoundException>(
        () => NarWriter.WriteAsync(folder["absent"], Stream.Null, Cancellation));

    private async Task<byte[]> WriteAsync(NarTree tree)
    {
        var path = folder[$"tree{trees++}"];
        Put(tree, path);
        using var nar = new MemoryStream();
        await NarWriter.WriteAsync(path, nar, Cancellation);
        return nar.ToArray();
    }

    private static void Put(NarTree tree, string path)
    {
        switch (tree)
        {
            case NarTree.File file:
                File.WriteAllBytes(path, file.Contents);
                if (file.IsExecutable) File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserExecute);
                break;
            case NarTree.Link link: File.CreateSymbolicLink(path, Text(link.Target)); break;
            case NarTree.Folder entries:
                Directory.CreateDirectory(path);
                foreach (var (name, node) in entries.Entries) Put(node, Path.Combine(path, Text(name)));
                break;
        }
    }

    private static string Text(string bytes) => Encoding.UTF8.GetString(NarTree.Bytes(bytes));
}
