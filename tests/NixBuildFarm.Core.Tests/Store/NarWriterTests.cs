using System.Diagnostics;
using System.Net.Sockets;
using System.Runtime.Versioning;
using NixBuildFarm.Errors;
using NixBuildFarm.Store.Nar;

namespace NixBuildFarm.Core.Tests.Store;

[UnsupportedOSPlatform("windows")]
public class NarWriterTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <summary>Hash and size are what <c>nix-store --dump</c> of Nix 2.8.0 made of the same tree.</summary>
    [Fact]
    public async Task A_tree_gives_the_very_NAR_that_Nix_makes_of_it()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder["lib/empty"]);
        Write("hello", "hello\n");
        Write("empty", "");
        Write("run", "#!/bin/sh\n", mode: "755");
        Write("run.only-group", "x", mode: "654");
        Write("eight", "12345678");
        File.CreateSymbolicLink(folder["lib/link"], "../hello");
        File.CreateSymbolicLink(folder["dangling"], "/nonexistent/target");
        File.CreateSymbolicLink(folder["lib-link"], "lib");
        // The last two stand the other way round in UTF-16.
        foreach (var name in new[] { "a", "a.b", "a-b", "A", "Z", ".hidden", "é", "\uFB01", "😀", " blank " }) Write($"lib/{name}", name);

        var digest = await NarWriter.WriteAsync(folder, Stream.Null, Cancellation);

        Assert.Equal("aacdb0f1976776a64cd68035d2978266e5a7c41651a841ca5446f88ef22c7772", digest.Hash.ToHex());
        Assert.Equal(3944, digest.Size);

        void Write(string name, string text, string mode = "644")
        {
            File.WriteAllText(folder[name], text);
            File.SetUnixFileMode(folder[name], (UnixFileMode)Convert.ToInt32(mode, 8));
        }
    }

    [Fact]
    public async Task A_file_larger_than_the_buffer_is_archived_whole()
    {
        using var folder = new TemporaryFolder();
        var contents = new byte[1_000_001];
        new Random(1).NextBytes(contents);
        await File.WriteAllBytesAsync(folder["file"], contents, Cancellation);
        using var nar = new MemoryStream();

        await NarWriter.WriteAsync(folder["file"], nar, Cancellation);

        Assert.Equal(new NarTree.File(contents).Encode(), nar.ToArray());
    }

    [Fact]
    public async Task A_link_is_archived_itself_wherever_it_leads()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder["target"]);
        File.CreateSymbolicLink(folder["link"], "target");
        using var nar = new MemoryStream();

        await NarWriter.WriteAsync(folder["link"], nar, Cancellation);

        Assert.Equal(new NarTree.Link("target").Encode(), nar.ToArray());
    }

    [Fact]
    public async Task Names_and_targets_as_long_as_they_may_be_fit()
    {
        using var folder = new TemporaryFolder();
        var tree = new NarTree.Folder([.. Enumerable.Range(0, 100).Select(index =>
            ($"{index:D2}".PadRight(NarParser.MaxNameLength, 'n'), (NarTree)new NarTree.Link(new string('t', NarParser.MaxTargetLength))))]);
        using var nar = new MemoryStream();

        await NarReader.ExtractAsync(new MemoryStream(tree.Encode()), folder["tree"], Cancellation);
        await NarWriter.WriteAsync(folder["tree"], nar, Cancellation);

        Assert.Equal(tree.Encode(), nar.ToArray());
    }

    [Fact]
    public async Task A_missing_file_is_named()
    {
        var error = await Assert.ThrowsAsync<NixBuildFarmException>(() => NarWriter.WriteAsync("/nonexistent/path", Stream.Null, Cancellation));

        Assert.Equal("“/nonexistent/path” does not exist.", error.Message);
    }

    [Fact]
    public async Task A_socket_is_refused_and_named()
    {
        using var folder = new TemporaryFolder();
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(folder["socket"]));

        await IsRefused(folder, "socket");
    }

    [Fact]
    public async Task A_pipe_is_refused_and_not_waited_for()
    {
        using var folder = new TemporaryFolder();
        await Shell("mkfifo \"$1/pipe\"", folder);

        await IsRefused(folder, "pipe");
    }

    [Fact]
    public async Task A_name_that_is_not_UTF8_is_refused()
    {
        using var folder = new TemporaryFolder();
        await Shell("touch \"$1/$(printf 'caf\\351')\"", folder);

        var error = await Assert.ThrowsAsync<NixBuildFarmException>(() => NarWriter.WriteAsync(folder, Stream.Null, Cancellation));
        Assert.Contains("not UTF-8", error.Message);
        await Shell("rm \"$1\"/*", folder); // which .NET cannot
    }

    private static async Task Shell(string script, string folder)
    {
        using var shell = Process.Start("sh", ["-c", script, "sh", folder]);
        await shell.WaitForExitAsync(Cancellation);
        Assert.Equal(0, shell.ExitCode);
    }

    private static async Task IsRefused(TemporaryFolder folder, string name)
    {
        var error = await Assert.ThrowsAsync<NixBuildFarmException>(() => NarWriter.WriteAsync(folder, Stream.Null, Cancellation));

        Assert.Equal("CannotArchive", error.Id);
        Assert.Contains(folder[name], error.Message);
        Assert.Contains("neither a file nor a directory nor a symbolic link", error.Message);
    }
}
