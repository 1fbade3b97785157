using NixBuildFarm.Store;

namespace NixBuildFarm.Running;

/// <summary>
/// What one build prints: kept whole in a file, byte for byte, with the last lines at hand. Written by one build, read by anybody.
/// </summary>
internal sealed class BuildLog : IDisposable
{
    private const int TailLines = 25;
    private const int BufferSize = 64 * 1024;
    private readonly Queue<string> tail = new();
    private readonly FileStream file;

    private BuildLog(string path)
    {
        Path = path;
        file = new FileStream(path, new FileStreamOptions
        {
            Mode = FileMode.Append,
            Access = FileAccess.Write,
            Share = FileShare.ReadWrite,
            BufferSize = BufferSize,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        });
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>The last lines, oldest first.</summary>
    public IReadOnlyList<string> Tail
    {
        get
        {
            lock (tail) return [.. tail];
        }
    }

    /// <summary>Begins, or goes on with, the log of a derivation in the folder of a run.</summary>
    public static BuildLog Open(string folder, StorePath derivation) =>
        new(System.IO.Path.Combine(StateFolder.Create(folder), derivation.BaseName[..^".drv".Length] + ".log"));

    /// <summary>Adds a line.</summary>
    public void Add(string line)
    {
        file.Write(NixText.GetBytes(line));
        file.WriteByte((byte)'\n');
        lock (tail)
        {
            if (tail.Count == TailLines) tail.Dequeue();
            tail.Enqueue(line);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => file.Dispose();
}
