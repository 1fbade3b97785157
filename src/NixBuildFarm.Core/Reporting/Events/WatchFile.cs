using NixBuildFarm.Errors;
using NixBuildFarm.Observing;
using NixBuildFarm.Platform;

namespace NixBuildFarm.Reporting.Events;

/// <summary>
/// The events of a run in a file of the state folder, for this user's other sessions, which watch the run by it. It is locked as long as
/// the run goes on; files of runs that ended some time ago are deleted by later ones.
/// </summary>
/// <param name="folder">The folder of these files.</param>
/// <param name="onFailure">Receives the first failure; the run goes on without the file.</param>
public sealed class WatchFile(string folder, Action<Exception> onFailure) : IBuildObserver, IDisposable
{
    /// <summary>Who looks at a run that has ended looks soon.</summary>
    private static readonly TimeSpan Kept = TimeSpan.FromHours(1);

    private RunEventWriter? writer;

    /// <summary>Where these files are.</summary>
    public static string DefaultFolder => Path.Combine(StateFolder.Path, "running");

    /// <summary>The file of a run.</summary>
    public static string Of(string folder, string run) => Path.Combine(folder, $"{run}.jsonl");

    /// <inheritdoc/>
    public void Observe(RunNews news)
    {
        if (news is RunNews.Began(var run, _)) Open(run);
        writer?.Observe(news);
    }

    /// <inheritdoc/>
    public void Dispose() => writer?.Dispose();

    private void Open(string run)
    {
        try
        {
            StateFolder.Create(folder);
            var oldest = DateTime.UtcNow - Kept;
            foreach (var file in new DirectoryInfo(folder).EnumerateFiles("*.jsonl"))
            {
                if (file.LastWriteTimeUtc < oldest) Delete(file);
            }
            writer = new(
                new FileStream(Of(folder, run), new FileStreamOptions
                {
                    Mode = FileMode.CreateNew,
                    Access = FileAccess.Write,
                    Share = FileShare.ReadWrite,
                    UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
                }),
                onFailure);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NixBuildFarmException)
        {
            onFailure(e);
        }
    }

    private static void Delete(FileInfo file)
    {
        try
        {
            file.Delete();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A later run tries again.
        }
    }
}
