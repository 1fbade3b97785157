using NixBuildFarm.Errors;
using NixBuildFarm.Platform;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Store;

namespace NixBuildFarm.History;

/// <summary>
/// The history of another user. It is read from a copy: that file stays as it is, whatever its version, and may be written meanwhile.
/// </summary>
public static class ForeignHistory
{
    private const int LongestName = StorePath.MaxNameLength;
    private const double LongestSeconds = 8.64e6;
    private const long MostBytes = 1_000_000_000_000_000;
    private const int MostTries = 5;
    private const UnixFileMode Own = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>The builds that it has seen itself, oldest first; rows that make no sense are left out.</summary>
    /// <exception cref="HistoryException">It is no history, or cannot be read.</exception>
    public static IReadOnlyList<BuildObservation> BuildsOf(string file)
    {
        var folder = StateFolder.Create(Path.Combine(StateFolder.Path, $"import-{Guid.NewGuid():N}"));
        try
        {
            var copy = Path.Combine(folder, "history.db");
            Copy(file, copy);
            using var history = new SqliteHistory(copy);
            return [.. history.BuildsForOthers().Where(IsSensible)];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new NixBuildFarmException("FileUnreadable", $"{file} cannot be read: {e.Message}", "Check the path.", e);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>
    /// What was written last may be in the log of the database alone. Where that changes meanwhile, the two do not belong together.
    /// </summary>
    private static void Copy(string file, string copy)
    {
        for (var tries = 1; ; tries++)
        {
            var log = LogOf(file);
            File.Copy(file, copy, overwrite: true);
            // The mode is copied too, and what may only be read cannot be brought to this version.
            File.SetUnixFileMode(copy, Own);
            if (LogOf(file).AsSpan().SequenceEqual(log))
            {
                if (log.Length > 0) WholeFile.Replace(copy + "-wal", log, Own);
                return;
            }
            if (tries == MostTries) throw new IOException("It is written all the time. Try again later.");
        }
    }

    private static byte[] LogOf(string file)
    {
        try
        {
            return File.ReadAllBytes(file + "-wal");
        }
        catch (FileNotFoundException)
        {
            return [];
        }
    }

    private static bool IsSensible(BuildObservation build) =>
        build is { Package.Length: > 0 and <= LongestName, System.Length: > 0 and <= LongestName, Builder.Length: > 0 and <= LongestName }
            && build.Seconds is >= 0 and <= LongestSeconds
            && build.SpeedFactor is > 0 and < 1e6
            && build.Cores is > 0 and < 1_000_000
            && build.OutputBytes is >= 0 and <= MostBytes
            && build.PeakMemory is null or (>= 0 and <= MostBytes)
            && build.At < DateTimeOffset.UtcNow.AddDays(1);
}
