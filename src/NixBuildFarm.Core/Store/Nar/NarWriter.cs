using System.Text;
using NixBuildFarm.Errors;
using NixBuildFarm.Platform;

namespace NixBuildFarm.Store.Nar;

/// <summary>Archives a file system tree as a NAR, in bounded memory whatever its size.</summary>
public static class NarWriter
{
    private const int LongestStructure = 512 + NarParser.MaxNameLength + NarParser.MaxTargetLength;

    private static readonly EnumerationOptions EveryEntry = new() { AttributesToSkip = FileAttributes.None };

    /// <summary>Writes the NAR of the file, directory or symbolic link at a path, as <c>nix-store --dump</c> does. No link is followed.</summary>
    /// <returns>Hash and size of what was written.</returns>
    /// <exception cref="NixBuildFarmException">Nothing is there, or something that a NAR cannot hold; the message names it.</exception>
    public static async Task<NarDigest> WriteAsync(string path, Stream destination, CancellationToken cancellation)
    {
        using var sink = new NarSink(destination);
        sink.WriteText("nix-archive-1"u8);

        // A stack of our own: trees nest deeper than threads have room for.
        var directories = new Stack<Queue<Entry>>();
        if (await BeginNodeAsync(Describe(path), sink, cancellation) is { } root) directories.Push(root);
        while (directories.TryPeek(out var entries))
        {
            cancellation.ThrowIfCancellationRequested();
            await sink.ReserveAsync(LongestStructure, cancellation);
            if (!entries.TryDequeue(out var entry))
            {
                sink.WriteText(")"u8);
                directories.Pop();
                if (directories.Count > 0) sink.WriteText(")"u8);
                continue;
            }

            BeginEntry(entry, sink);
            if (await BeginNodeAsync(entry.Info, sink, cancellation) is not { } children) sink.WriteText(")"u8);
            else if (directories.Count < NarParser.MaxDepth) directories.Push(children);
            else throw Unsupported(entry.Info, $"lies deeper than {NarParser.MaxDepth} directories");
        }
        return await sink.CompleteAsync(cancellation);
    }

    private static void BeginEntry(Entry entry, NarSink sink)
    {
        sink.WriteText("entry"u8);
        sink.WriteText("("u8);
        sink.WriteText("name"u8);
        sink.WriteText(entry.Name);
        sink.WriteText("node"u8);
    }

    /// <summary>Writes a whole file or link, or the beginning of a directory, of which it returns the entries.</summary>
    private static async ValueTask<Queue<Entry>?> BeginNodeAsync(FileSystemInfo info, NarSink sink, CancellationToken cancellation)
    {
        sink.WriteText("("u8);
        sink.WriteText("type"u8);
        if (info.LinkTarget is { } target)
        {
            sink.WriteText("symlink"u8);
            sink.WriteText("target"u8);
            sink.WriteText(Encode(target, info));
        }
        else if (info is DirectoryInfo directory)
        {
            sink.WriteText("directory"u8);
            return Sorted(directory);
        }
        else
        {
            await WriteFileAsync((FileInfo)info, sink, cancellation);
        }
        await sink.ReserveAsync(LongestStructure, cancellation);
        sink.WriteText(")"u8);
        return null;
    }

    private static async ValueTask WriteFileAsync(FileInfo info, NarSink sink, CancellationToken cancellation)
    {
        var size = info.Length;
        if (size == 0 && FileStatus.IsSpecial(info.FullName)) throw Unsupported(info, "is neither a file nor a directory nor a symbolic link");

        sink.WriteText("regular"u8);
        if (info.UnixFileMode.HasFlag(UnixFileMode.UserExecute))
        {
            sink.WriteText("executable"u8);
            sink.WriteText(""u8);
        }
        sink.WriteText("contents"u8);
        sink.WriteNumber(size);
        if (size == 0) return;

        using var file = File.OpenHandle(info.FullName, options: FileOptions.SequentialScan);
        for (long position = 0; position < size;)
        {
            await sink.ReserveAsync(1, cancellation);
            var free = sink.Free;
            // Synchronously: the runtime would only let another thread of the pool wait for the disk.
            var count = RandomAccess.Read(file, free.Span[..(int)Math.Min(free.Length, size - position)], position);
            if (count == 0) throw Unsupported(info, $"has become shorter while it was read: {position} bytes instead of {size}");
            sink.Advance(count);
            position += count;
        }
        await sink.ReserveAsync(sizeof(long), cancellation);
        sink.WritePadding(size);
    }

    private static FileSystemInfo Describe(string path)
    {
        var file = new FileInfo(Path.TrimEndingDirectorySeparator(path));
        if (file.LinkTarget is not null || file.Exists) return file;
        var directory = new DirectoryInfo(path);
        return directory.Exists ? directory : throw new NixBuildFarmException("PathNotFound", $"“{path}” does not exist.");
    }

    /// <summary>The entries in the order of their names' bytes, which is not that of UTF-16.</summary>
    private static Queue<Entry> Sorted(DirectoryInfo directory)
    {
        var entries = directory.EnumerateFileSystemInfos("*", EveryEntry).Select(info => new Entry(Encode(info.Name, info), info)).ToList();
        entries.Sort((left, right) => left.Name.AsSpan().SequenceCompareTo(right.Name));
        return new Queue<Entry>(entries);
    }

    // .NET shows bytes that are not UTF-8 as U+FFFD, and then cannot open the file again.
    private static byte[] Encode(string text, FileSystemInfo info) =>
        text.Contains('\uFFFD') ? throw Unsupported(info, "has a name or target that is not UTF-8") : Encoding.UTF8.GetBytes(text);

    private static NixBuildFarmException Unsupported(FileSystemInfo info, string problem) =>
        new("CannotArchive", $"“{info.FullName}” cannot be part of a NAR: it {problem}.");

    private readonly record struct Entry(byte[] Name, FileSystemInfo Info);
}
