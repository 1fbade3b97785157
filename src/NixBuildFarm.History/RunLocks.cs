using NixBuildFarm.Platform;

namespace NixBuildFarm.History;

/// <summary>
/// Says which runs go on: each holds a lock on a file of its own. The lock goes with the process, however that ends, so that no run seems
/// to go on for ever.
/// </summary>
/// <param name="folder">Where the files are; it is made when it is first needed.</param>
internal sealed class RunLocks(string folder) : IDisposable
{
    /// <summary>A file that was made a moment ago may not be locked yet.</summary>
    private static readonly TimeSpan Young = TimeSpan.FromHours(1);

    private readonly Dictionary<string, FileStream> held = [];

    /// <summary>From now on the run goes on. Where no lock can be had, it seems to be interrupted, and loses nothing else.</summary>
    public void Hold(string run)
    {
        lock (held)
        {
            if (held.ContainsKey(run) || FileOf(run) is not { } file) return;
            try
            {
                StateFolder.Create(folder);
                RemoveAbandoned();
                held.Add(run, new(file, new FileStreamOptions
                {
                    Mode = FileMode.Create,
                    Access = FileAccess.ReadWrite,
                    Share = FileShare.None,
                    Options = FileOptions.DeleteOnClose,
                    UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
                }));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // The database beside it will report the same problem.
            }
        }
    }

    /// <summary>The run does not go on.</summary>
    public void Release(string run)
    {
        lock (held)
        {
            if (held.Remove(run, out var file)) file.Dispose();
        }
    }

    /// <summary>Whether this or another process holds the lock of a run.</summary>
    public bool IsHeld(string run) => FileOf(run) is { } file && FileLock.IsHeld(file);

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (held)
        {
            foreach (var file in held.Values) file.Dispose();
            held.Clear();
        }
    }

    // An id from a manipulated file must not lead to another folder.
    private string? FileOf(string run) =>
        run.Length > 0 && Path.GetFileName(run) == run && run != ".." && run != "." ? Path.Combine(folder, run) : null;

    private void RemoveAbandoned()
    {
        foreach (
            var file in Directory.EnumerateFiles(folder)
                .Where(file => DateTime.UtcNow - File.GetLastWriteTimeUtc(file) > Young && !FileLock.IsHeld(file)))
        {
            File.Delete(file);
        }
    }
}
