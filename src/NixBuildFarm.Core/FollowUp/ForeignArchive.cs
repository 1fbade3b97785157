using System.Formats.Tar;
using NixBuildFarm.Platform;

namespace NixBuildFarm.FollowUp;

/// <summary>
/// Unpacks a tar archive that a builder made into a new folder that only this user can read. Nothing in it is trusted: every entry stays
/// in the folder, no link is followed, no device is made, no owner and no special mode is taken over, and there is a limit.
/// </summary>
internal static class ForeignArchive
{
    private const int MostEntries = 500_000;
    private const UnixFileMode Own = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>Unpacks it.</summary>
    /// <param name="archive">The archive.</param>
    /// <param name="folder">The folder; it must not be there yet.</param>
    /// <param name="mostBytes">The most bytes that all its files may have.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="IOException">The archive is damaged, too large, or leads out of the folder; or the disk is full.</exception>
    public static async Task UnpackAsync(Stream archive, string folder, long mostBytes, CancellationToken cancellation)
    {
        if (Path.Exists(folder)) throw new IOException($"{folder} is there already.");
        StateFolder.Create(folder);
        await using var reader = new TarReader(archive, leaveOpen: true);
        try
        {
            var (bytes, count) = (0L, 0);
            while (await reader.GetNextEntryAsync(copyData: false, cancellation) is { } entry)
            {
                // A second name becomes a second file.
                bytes += entry.EntryType == TarEntryType.HardLink ? OriginalOf(entry, folder)?.Length ?? 0 : entry.Length;
                if (bytes > mostBytes) throw new IOException($"it has more than {mostBytes >> 20} MiB");
                if (++count > MostEntries) throw new IOException($"it has more than {MostEntries} files");
                await UnpackAsync(entry, folder, cancellation);
            }
            if (count == 0) throw new IOException("it could not be read there");
        }
        catch (Exception e) when (e is InvalidDataException or FormatException or ArgumentException)
        {
            throw new IOException($"the archive is damaged: {e.Message}", e);
        }
    }

    private static async Task UnpackAsync(TarEntry entry, string folder, CancellationToken cancellation)
    {
        var target = PlaceOf(entry.Name, folder);
        if (target == folder) return;
        switch (entry.EntryType)
        {
            case TarEntryType.Directory:
                MakeFolder(target, folder);
                break;
            case TarEntryType.RegularFile or TarEntryType.V7RegularFile:
                MakeFolder(Path.GetDirectoryName(target)!, folder);
                var options = new FileStreamOptions
                {
                    Mode = FileMode.CreateNew,
                    Access = FileAccess.Write,
                    UnixCreateMode = Own | (entry.Mode & UnixFileMode.UserExecute),
                };
                await using (var file = new FileStream(target, options))
                {
                    if (entry.DataStream is { } data) await data.CopyToAsync(file, cancellation);
                }
                break;
            case TarEntryType.SymbolicLink:
                MakeFolder(Path.GetDirectoryName(target)!, folder);
                File.CreateSymbolicLink(target, entry.LinkName);
                break;
            case TarEntryType.HardLink:
                MakeFolder(Path.GetDirectoryName(target)!, folder);
                OriginalOf(entry, folder)?.CopyTo(target);
                break;
            // Sockets, pipes and devices are nothing to look at.
        }
    }

    /// <summary>The file that a hard link is another name of; null: there is none here.</summary>
    private static FileInfo? OriginalOf(TarEntry link, string folder)
    {
        var original = PlaceOf(link.LinkName, folder);
        RequireNoLink(original, folder);
        return new FileInfo(original) is { Exists: true } file ? file : null;
    }

    private static string PlaceOf(string name, string folder)
    {
        var parts = name.Split('/', StringSplitOptions.RemoveEmptyEntries).Where(part => part != ".").ToArray();
        if (name.StartsWith('/') || parts.Contains("..")) throw new IOException($"it has a file outside of itself: {name}");
        return parts.Length == 0 ? folder : Path.Combine([folder, .. parts]);
    }

    /// <summary>Makes a folder, where each above it is one that was made here: a link may lead anywhere.</summary>
    private static void MakeFolder(string path, string folder)
    {
        RequireNoLink(path, folder);
        Directory.CreateDirectory(path, Own | UnixFileMode.UserExecute);
    }

    private static void RequireNoLink(string path, string folder)
    {
        for (var part = path; part.Length > folder.Length; part = Path.GetDirectoryName(part)!)
        {
            if (new FileInfo(part).LinkTarget is not null) throw new IOException($"it leads out of itself: {part[(folder.Length + 1)..]}");
        }
    }
}
