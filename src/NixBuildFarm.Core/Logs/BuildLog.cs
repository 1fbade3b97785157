using NixBuildFarm.Errors;
using NixBuildFarm.Platform;
using NixBuildFarm.Protocol;
using NixBuildFarm.Store;

namespace NixBuildFarm.Logs;

/// <summary>
/// The output of one build: in a file, byte for byte, and its last lines in memory. One build writes it; others may read it meanwhile. If
/// the file cannot be written, the build goes on without it.
/// </summary>
internal sealed class BuildLog : IDisposable
{
    private const int TailLines = 25;
    private const int BufferSize = 64 * 1024;
    private readonly Queue<string> tail = new();
    private readonly string wanted;
    private BestEffortOutput? file;

    private BuildLog(string wanted) => this.wanted = wanted;

    /// <summary>The file; null: it could not be made.</summary>
    public string? Path { get; private set; }

    /// <summary>Why the log is not whole, or not there; null: it is.</summary>
    public string? Problem { get; private set; }

    /// <summary>The last lines, oldest first; long ones shortened.</summary>
    public IReadOnlyList<string> Tail
    {
        get
        {
            lock (tail) return [.. tail];
        }
    }

    /// <summary>Begins, or goes on with, the log of a derivation in the folder of a run.</summary>
    public static BuildLog Open(string folder, StorePath derivation)
    {
        var log = new BuildLog(System.IO.Path.Combine(folder, FileNameOf(derivation)));
        log.Open(folder);
        return log;
    }

    /// <summary>The name of a derivation's log in the folder of a run.</summary>
    public static string FileNameOf(StorePath derivation) => derivation.BaseName[..^".drv".Length] + ".log";

    /// <summary>Adds a line, or a piece of one, and flushes: somebody may be following the log.</summary>
    public void Add(BuildLogLine line)
    {
        file?.Write(stream =>
        {
            stream.Write(NixText.GetBytes(line.Line));
            if (!line.IsUnfinished) stream.WriteByte((byte)'\n');
            stream.Flush();
        });
        if (line.IsContinued) return;
        lock (tail)
        {
            if (tail.Count == TailLines) tail.Dequeue();
            tail.Enqueue(LogFile.Shortened(line.Line));
        }
    }

    private static FileStream OpenFile(string path)
    {
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                return new FileStream(path, new FileStreamOptions
                {
                    Mode = FileMode.Append,
                    Access = FileAccess.Write,
                    Share = FileShare.ReadWrite,
                    BufferSize = BufferSize,
                    UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
                });
            }
            catch (IOException) when (attempt < FileLock.Attempts && File.Exists(path))
            {
                Thread.Sleep(FileLock.Pause);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => file?.Dispose();

    private void Open(string folder)
    {
        try
        {
            var path = System.IO.Path.Combine(StateFolder.Create(folder), System.IO.Path.GetFileName(wanted));
            file = new(OpenFile(path), Fail);
            Path = path;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NixBuildFarmException)
        {
            Fail(e);
        }
    }

    private void Fail(Exception error) => Problem ??= $"{wanted}: {error.Message}";
}
