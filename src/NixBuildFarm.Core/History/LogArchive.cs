using System.IO.Enumeration;
using NixBuildFarm.Errors;
using NixBuildFarm.Logs;
using NixBuildFarm.Platform;
using NixBuildFarm.Store;

namespace NixBuildFarm.History;

/// <summary>
/// Finds logs: those of runs in the history, wherever they are kept, and those in the state folder, among which are the logs of runs that
/// are still under way and of runs that were killed.
/// </summary>
public sealed class LogArchive(IRunHistory history, string folder)
{
    private const string Extension = ".log";
    private const int NamesSuggested = 2000;

    /// <summary>The folder with a folder for each run.</summary>
    public static string DefaultFolder => Path.Combine(StateFolder.Path, "logs");

    /// <summary>The folder of a run's logs, where the user has named no other.</summary>
    public static string FolderOf(string runId) => Path.Combine(DefaultFolder, runId);

    /// <summary>The logs of the newest run that has any of this name.</summary>
    /// <param name="name">A derivation's name; <c>*</c> and <c>?</c> stand for anything, case does not matter.</param>
    /// <param name="run">Of this run only, by the beginning of its id; null: of the newest.</param>
    /// <exception cref="HistoryException">The history cannot be read.</exception>
    public IReadOnlyList<LogFile> Named(string name, string? run = null) =>
        Newest(
            file => FileSystemName.MatchesSimpleExpression(name, file.Name),
            new() { Name = name },
            job => FileSystemName.MatchesSimpleExpression(name, job.Job.Name),
            run);

    /// <summary>The log of the newest run that has one of this derivation; empty when there is none.</summary>
    /// <param name="derivation">The derivation.</param>
    /// <param name="run">Of this run only, by the beginning of its id; null: of the newest.</param>
    /// <exception cref="HistoryException">The history cannot be read.</exception>
    public IReadOnlyList<LogFile> Of(StorePath derivation, string? run = null)
    {
        var file = BuildLog.FileNameOf(derivation);
        return Newest(
            log => Path.GetFileName(log.Path) == file,
            new() { Name = NameOf(file) },
            job => job.DerivationPath == derivation.ToString(),
            run);
    }

    /// <summary>Logs of the last runs, newest run first, one of each name, to choose from.</summary>
    public IEnumerable<LogFile> Recent() => Folders().SelectMany(LogsIn).DistinctBy(log => log.Name).Take(NamesSuggested);

    /// <summary>
    /// Deletes the logs that these runs have in the state folder. A folder that the user has named is the user's. Only folders that were
    /// found in the state folder are ever deleted: no path is made of an id.
    /// </summary>
    public void Delete(IEnumerable<string> runs)
    {
        var ids = runs.ToHashSet();
        foreach (var logs in Folders().Where(logs => ids.Contains(Path.GetFileName(logs)))) Directory.Delete(logs, recursive: true);
    }

    /// <summary>
    /// Runs with logs that the history knows nothing of and in which nothing has been written since then: they were killed.
    /// </summary>
    public IEnumerable<string> AbandonedBefore(DateTimeOffset moment) => Folders()
        .Where(logs => Directory.EnumerateFiles(logs).Append(logs).Max(File.GetLastWriteTimeUtc) < moment.UtcDateTime)
        .Select(logs => Path.GetFileName(logs)!)
        .Where(run => history.Run(run) is null);

    private LogFile[] Newest(Func<LogFile, bool> isMeant, RunFilter filter, Func<RecordedJob, bool> isMeantJob, string? run)
    {
        var here = Folders().Where(logs => run is null || Path.GetFileName(logs).StartsWith(run, StringComparison.Ordinal))
            .Select(logs => LogsIn(logs).Where(isMeant).ToArray()).FirstOrDefault(found => found.Length > 0) ?? [];
        var recorded = (run is null ? history.Runs(filter).Select(summary => summary.RunId) : [run])
            .Select(id => LogsOf(history.Run(id), isMeantJob)).FirstOrDefault(found => found.Length > 0) ?? [];
        // Ids of runs begin with their time.
        return here.Length > 0 && (recorded.Length == 0 || string.CompareOrdinal(here[0].RunId, recorded[0].RunId) >= 0) ? here : recorded;
    }

    private static LogFile[] LogsOf(RunRecord? run, Func<RecordedJob, bool> isMeant) => run is null ? [] :
        [
            .. run.Jobs.Where(job => job.LogPath is not null && isMeant(job) && File.Exists(job.LogPath))
                .Select(job => new LogFile(job.LogPath!, job.Job.Name, run.Id)),
        ];

    private string[] Folders()
    {
        StateFolder.RequireOwn(folder, StateFolder.Variable);
        return Directory.Exists(folder) ? [.. Directory.GetDirectories(folder).OrderDescending(StringComparer.Ordinal)] : [];
    }

    private static IEnumerable<LogFile> LogsIn(string logs) =>
        Directory.EnumerateFiles(logs, "*" + Extension)
            .Order(StringComparer.Ordinal)
            .Select(file => new LogFile(file, NameOf(Path.GetFileName(file)), Path.GetFileName(logs)));

    // The hash of the derivation goes before the name.
    private static string NameOf(string file) => file[(file.IndexOf('-') + 1)..^Extension.Length];
}
