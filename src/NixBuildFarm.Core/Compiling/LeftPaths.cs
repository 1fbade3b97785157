using NixBuildFarm.History;
using NixBuildFarm.Platform;
using NixBuildFarm.Store;

namespace NixBuildFarm.Compiling;

/// <summary>
/// What compiles of a run leave in the store of one builder. It is written down before it is made, so that a later run knows what one that
/// was killed has left. Safe for concurrent use.
/// </summary>
/// <param name="builder">The name of the builder.</param>
/// <param name="kept">Where it is written down.</param>
/// <param name="clock">The time.</param>
internal sealed class LeftPaths(string builder, IKeptCompiles kept, RunClock clock)
{
    private readonly object gate = new();
    private readonly Dictionary<StorePath, long> paths = [];
    private readonly Dictionary<StorePath, long> programs = [];
    private Dictionary<StorePath, long> unwritten = [];
    private Task writing = Task.CompletedTask;
    private Task? next;

    /// <summary>What compiles have made, with its size in bytes; 0 for their inputs, and for what did not come to an end.</summary>
    public IReadOnlyDictionary<StorePath, long> Paths
    {
        get
        {
            lock (gate) return new Dictionary<StorePath, long>(paths);
        }
    }

    /// <summary>The programs that compile, with their sizes in bytes: they are in use until the run has ended.</summary>
    public IReadOnlyDictionary<StorePath, long> Programs
    {
        get
        {
            lock (gate) return new Dictionary<StorePath, long>(programs);
        }
    }

    /// <summary>Something is about to be made there.</summary>
    /// <returns>Ends when that is written down, or cannot be.</returns>
    public Task ExpectAsync(IEnumerable<StorePath> coming)
    {
        lock (gate)
        {
            foreach (var path in coming)
            {
                if (paths.TryAdd(path, 0)) unwritten[path] = 0;
            }
            return unwritten.Count == 0 ? writing : WriteSoon();
        }
    }

    /// <summary>The result of a compile is there, to be found by later ones.</summary>
    public void Add(StorePath result, long bytes)
    {
        lock (gate)
        {
            paths[result] = unwritten[result] = bytes;
            _ = WriteSoon();
        }
    }

    /// <summary>Programs that compile are there.</summary>
    public void Use(IEnumerable<KeyValuePair<StorePath, long>> used)
    {
        lock (gate)
        {
            foreach (var (path, bytes) in used)
            {
                if (programs.TryAdd(path, bytes)) unwritten[path] = bytes;
            }
            _ = WriteSoon();
        }
    }

    /// <summary>Ends when all is written down.</summary>
    public Task FlushAsync()
    {
        lock (gate) return next ?? writing;
    }

    /// <summary>Writes what has come together while the last of it was written.</summary>
    private Task WriteSoon() => next ??= Task.Run(async () =>
    {
        Task before;
        lock (gate) before = writing;
        await before;
        Dictionary<StorePath, long> taken;
        lock (gate)
        {
            (taken, unwritten) = (unwritten, []);
            (writing, next) = (next!, null);
        }
        if (taken.Count > 0) kept.Keep(builder, [.. taken.Select(path => new KeptCompile(path.Key.ToString(), path.Value, clock.UtcNow))]);
    });
}
