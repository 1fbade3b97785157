using System.Text;
using Microsoft.Win32.SafeHandles;

namespace NixBuildFarm.Store.Nar;

/// <summary>
/// Writes the NAR of a file, link or folder on this machine, in bounded memory whatever its size: what a daemon would send, without the
/// daemon and the pipe to it.
/// </summary>
internal static class NarWriter
{
    private const char Undecodable = '\uFFFD';

    private static readonly byte[] Magic = "nix-archive-1"u8.ToArray(), Open = "("u8.ToArray(), Close = ")"u8.ToArray();
    private static readonly byte[] Type = "type"u8.ToArray(), Regular = "regular"u8.ToArray(), Executable = "executable"u8.ToArray();
    private static readonly byte[] Contents = "contents"u8.ToArray(), Link = "symlink"u8.ToArray(), Target = "target"u8.ToArray();
    private static readonly byte[] Folder = "directory"u8.ToArray(), Entry = "entry"u8.ToArray(), Name = "name"u8.ToArray();
    private static readonly byte[] Node = "node"u8.ToArray();

    /// <summary>Writes it. Where this fails, part of it may have been written.</summary>
    /// <param name="path">The file, link or folder.</param>
    /// <param name="destination">Where it goes.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="IOException">It cannot be read, or changes meanwhile, or has a name that is no UTF-8.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    public static async Task WriteAsync(string path, Stream destination, CancellationToken cancellation)
    {
        _ = File.GetAttributes(path); // fails where there is nothing
        using var sink = new NarSink(destination, hashes: false);
        await WordsAsync(sink, cancellation, Magic);
        await NodeAsync(sink, new FileInfo(path), cancellation);
        await sink.CompleteAsync(cancellation);
    }

    private static async Task NodeAsync(NarSink sink, FileSystemInfo node, CancellationToken cancellation)
    {
        if (node.LinkTarget is { } target) await WordsAsync(sink, cancellation, Open, Type, Link, Target, Bytes(target), Close);
        else if (node.Attributes.HasFlag(FileAttributes.Directory)) await FolderAsync(sink, node.FullName, cancellation);
        else await FileAsync(sink, node.FullName, cancellation);
    }

    private static async Task FolderAsync(NarSink sink, string path, CancellationToken cancellation)
    {
        await WordsAsync(sink, cancellation, Open, Type, Folder);
        var entries = new DirectoryInfo(path).EnumerateFileSystemInfos().Select(entry => (Name: Bytes(entry.Name), Entry: entry)).ToArray();
        // As the bytes go, which is not how .NET's strings do beyond the basic plane.
        Array.Sort(entries, static (one, other) => one.Name.AsSpan().SequenceCompareTo(other.Name));
        foreach (var (name, entry) in entries)
        {
            await WordsAsync(sink, cancellation, Entry, Open, Name, name, Node);
            await NodeAsync(sink, entry, cancellation);
            await WordsAsync(sink, cancellation, Close);
        }
        await WordsAsync(sink, cancellation, Close);
    }

    private static async Task FileAsync(NarSink sink, string path, CancellationToken cancellation)
    {
        using var file = File.OpenHandle(path);
        var isExecutable = File.GetUnixFileMode(file).HasFlag(UnixFileMode.UserExecute);
        await WordsAsync(sink, cancellation, Open, Type, Regular);
        if (isExecutable) await WordsAsync(sink, cancellation, Executable, []);
        await WordsAsync(sink, cancellation, Contents);
        await ContentsAsync(sink, file, cancellation);
        await WordsAsync(sink, cancellation, Close);
    }

    private static async Task ContentsAsync(NarSink sink, SafeFileHandle file, CancellationToken cancellation)
    {
        var length = RandomAccess.GetLength(file);
        await sink.ReserveAsync(NarGrammar.LengthSize, cancellation);
        sink.WriteNumber(length);
        for (var offset = 0L; offset < length;)
        {
            await sink.ReserveAsync(1, cancellation);
            var free = sink.Free.Span;
            var count = RandomAccess.Read(file, free[..(int)Math.Min(free.Length, length - offset)], offset);
            if (count == 0) throw new IOException("A file has become shorter while it was read.");
            sink.Advance(count);
            offset += count;
        }
        await sink.ReserveAsync(NarGrammar.LengthSize, cancellation);
        sink.WritePadding(length);
    }

    private static async ValueTask WordsAsync(NarSink sink, CancellationToken cancellation, params byte[][] words)
    {
        foreach (var word in words)
        {
            await sink.ReserveAsync(NarGrammar.LengthSize + NarGrammar.Padded(word.Length), cancellation);
            sink.WriteText(word);
        }
    }

    private static byte[] Bytes(string text) => text.Contains(Undecodable, StringComparison.Ordinal)
        ? throw new IOException($"“{text}” is no UTF-8.")
        : Encoding.UTF8.GetBytes(text);
}
