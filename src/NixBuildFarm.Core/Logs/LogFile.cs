using System.Buffers;
using System.Runtime.CompilerServices;
using NixBuildFarm.Platform;
using NixBuildFarm.Store;

namespace NixBuildFarm.Logs;

/// <summary>The log of one build as a file of lines, which may still be written.</summary>
/// <param name="Path">The file.</param>
/// <param name="Name">The derivation's name.</param>
/// <param name="RunId">The run that it is of.</param>
public sealed record LogFile(string Path, string Name, string RunId)
{
    private const int BufferSize = 64 * 1024;

    // The longest piece of a line that is shown or recorded: a build may print megabytes without ending the line.
    private const int LongestShown = 4096;

    // A folder on another machine's disk announces no changes.
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);

    /// <summary>A line as it is shown where many are: of a very long one the beginning.</summary>
    public static string Shortened(string line) => line.Length <= LongestShown ? line : $"{line.AsSpan(0, LongestShown)}…";

    /// <summary>The last lines of a log, long ones shortened; none where there is no such file any more, or it cannot be read.</summary>
    public static IReadOnlyList<string> TailOf(string? path, int lines)
    {
        if (path is null || !File.Exists(path)) return [];
        try
        {
            return [.. new LogFile(path, "", "").Lines(lines).Select(Shortened)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>Its lines.</summary>
    /// <param name="last">The last so many; null: all.</param>
    /// <exception cref="IOException">It cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">It is not ours to read.</exception>
    public IEnumerable<string> Lines(int? last)
    {
        using var file = Open();
        if (last is { } count) file.Position = StartOfLast(file, count);
        var lines = new LineSplitter();
        var buffer = new byte[BufferSize];
        int read;
        while ((read = file.Read(buffer)) > 0)
        {
            foreach (var line in lines.Add(buffer.AsMemory(0, read))) yield return line;
        }
        if (lines.Rest is { } rest) yield return rest;
    }

    /// <summary>Its lines, and those that are added, until the build has ended.</summary>
    /// <param name="last">Of those that are there the last so many; null: all.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellation">Ends it before.</param>
    /// <exception cref="IOException">It cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">It is not ours to read.</exception>
    public async IAsyncEnumerable<string> FollowAsync(int? last, TimeProvider time, [EnumeratorCancellation] CancellationToken cancellation)
    {
        var lines = new LineSplitter();
        var buffer = new byte[BufferSize];
        var position = -1L;
        while (true)
        {
            // Checked before reading, so that what is written afterwards is read in the next round.
            var ended = !IsBeingWritten();
            await using (var file = Open())
            {
                file.Position = position >= 0 ? position : last is { } count ? StartOfLast(file, count) : 0;
                int read;
                while ((read = await file.ReadAsync(buffer, cancellation)) > 0)
                {
                    foreach (var line in lines.Add(buffer.AsMemory(0, read))) yield return line;
                }
                position = file.Position;
            }
            if (ended) break;
            await Task.Delay(Interval, time, cancellation);
        }
        if (lines.Rest is { } rest) yield return rest;
    }

    /// <summary>
    /// Whether a build still writes it. .NET locks the files that it opens, and the lock ends with the process. A build that opens its log
    /// at this very moment tries again.
    /// </summary>
    private bool IsBeingWritten()
    {
        try
        {
            using var alone = new FileStream(Path, FileMode.Open, FileAccess.Read, FileShare.None);
            return false;
        }
        catch (IOException e) when (e is not (FileNotFoundException or DirectoryNotFoundException))
        {
            return true;
        }
    }

    private FileStream Open()
    {
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                return new FileStream(Path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, BufferSize);
            }
            catch (IOException e) when (attempt < FileLock.Attempts && e is not (FileNotFoundException or DirectoryNotFoundException))
            {
                Thread.Sleep(FileLock.Pause);
            }
        }
    }

    /// <summary>Where the last lines begin, found from the end: a log may be large.</summary>
    private static long StartOfLast(FileStream file, int lines)
    {
        if (lines == 0) return file.Length;
        var buffer = new byte[BufferSize];
        var end = file.Length;
        var found = 0;
        for (var position = end; position > 0;)
        {
            var size = (int)Math.Min(BufferSize, position);
            position -= size;
            file.Position = position;
            file.ReadExactly(buffer, 0, size);
            for (var i = size - 1; i >= 0; i--)
            {
                // The end of the last line does not separate it from another.
                if (buffer[i] != '\n' || position + i == end - 1) continue;
                if (++found == lines) return position + i + 1;
            }
        }
        return 0;
    }

    /// <summary>Makes lines of bytes that come piece by piece.</summary>
    private sealed class LineSplitter
    {
        // A build may print without ever ending a line.
        private const int LongestLine = 1024 * 1024;
        private readonly ArrayBufferWriter<byte> unfinished = new();

        /// <summary>The unfinished last line; null: there is none.</summary>
        public string? Rest => unfinished.WrittenCount > 0 ? Take() : null;

        public IEnumerable<string> Add(ReadOnlyMemory<byte> bytes)
        {
            while (bytes.Span.IndexOf((byte)'\n') is >= 0 and var end)
            {
                unfinished.Write(bytes.Span[..end]);
                bytes = bytes[(end + 1)..];
                yield return Take();
            }
            unfinished.Write(bytes.Span);
            if (unfinished.WrittenCount > LongestLine) yield return Take();
        }

        private string Take()
        {
            var line = NixText.GetString(unfinished.WrittenSpan);
            unfinished.ResetWrittenCount();
            return line;
        }
    }
}
