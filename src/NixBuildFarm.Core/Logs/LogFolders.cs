using System.Text.RegularExpressions;

namespace NixBuildFarm.Logs;

/// <summary>
/// The folders of logs below the state folder, one for each run. A folder is deleted when its run is no longer in the history.
/// </summary>
internal static partial class LogFolders
{
    /// <summary>A run that is under way is not in the history yet.</summary>
    private static readonly TimeSpan Untouched = TimeSpan.FromDays(7);

    /// <summary>Deletes the folders of runs that are no longer known, and nothing else.</summary>
    /// <param name="root">The folder of all.</param>
    /// <param name="known">The ids of the runs that are known.</param>
    /// <param name="now">The time of day.</param>
    public static void Prune(string root, IReadOnlySet<string> known, DateTimeOffset now)
    {
        try
        {
            foreach (var folder in new DirectoryInfo(root).EnumerateDirectories())
            {
                if (RunId().IsMatch(folder.Name) && !known.Contains(folder.Name) && LastWritten(folder) < (now - Untouched).UtcDateTime)
                {
                    folder.Delete(recursive: true);
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The end of the next run tries again.
        }
    }

    private static DateTime LastWritten(DirectoryInfo folder) =>
        folder.EnumerateFiles().Select(file => file.LastWriteTimeUtc).Append(folder.LastWriteTimeUtc).Max();

    [GeneratedRegex("^[0-9]{8}-[0-9]{6}-[0-9a-f]{4}$", RegexOptions.NonBacktracking)]
    private static partial Regex RunId();
}
