using NixBuildFarm.Errors;
using NixBuildFarm.History;
using NixBuildFarm.Hosting;
using NixBuildFarm.Observing;
using NixBuildFarm.Reporting;
using NixBuildFarm.Reporting.Events;

namespace NixBuildFarm.Building;

/// <summary>
/// Where a build is shown: the streams of the command, progress (or the lines of a CI system), and the files that the user named.
/// </summary>
internal sealed class BuildSinks : IDisposable
{
    private readonly CommandOutput output;
    private readonly PipelineObserver pipeline;
    private readonly RunProgressDisplay? display;
    private readonly List<IBuildObserver> observers = [];
    private readonly List<IDisposable> files = [];
    private readonly FullDisplay? full;

    private BuildSinks(CommandOutput output, IReadOnlyList<string> named, bool isLogSeen, bool isOwn)
    {
        this.output = output;
        full = output is HeldOutput held ? new(held) : null;
        display = CiSystem.IsHere || full is not null ? null : new(output, named, TimeProvider.System);
        pipeline = new(output) { Display = display, IsLogSeen = isLogSeen };
        observers.Add(pipeline);
        // What a farm builds, it tells itself.
        if (isOwn)
        {
            var watched = new WatchFile(WatchFile.DefaultFolder, e => output.Verbose($"This run cannot be watched: {e.Message}"));
            observers.Add(watched);
            files.Add(watched);
        }
        // Its file is there by then.
        if (full is not null) observers.Add(full);
        if (CiSystem.IsHere) observers.Add(new CiObserver(output, TimeProvider.System));
    }

    /// <summary>Tells all of them.</summary>
    public IBuildObserver Observer => new CombinedObserver([.. observers]);

    /// <summary>Opens the sinks of a build; <paramref name="named"/> is what was asked for, in the user's words.</summary>
    /// <exception cref="NixBuildFarmException">A file cannot be written.</exception>
    public static BuildSinks Open(BuildInvocation invocation, IReadOnlyList<string> named, CommandOutput output)
    {
        var sinks = new BuildSinks(output, named, invocation.IsLogSeen, invocation.Farm is null);
        try
        {
            sinks.AddFile(invocation.JsonLog, nameof(invocation.JsonLog), "", (file, broken) => new InternalJsonLog(file, broken));
            sinks.AddFile(invocation.EventLog, nameof(invocation.EventLog), "", (file, broken) => new RunEventWriter(file, broken));
            sinks.AddFile(
                invocation.LogTo,
                nameof(invocation.LogTo),
                "; Get-NixBuildLog has the logs",
                (file, broken) => new BuildOutputLog(file, broken));
            return sinks;
        }
        catch
        {
            sinks.Dispose();
            throw;
        }
    }

    /// <summary>The run has ended: takes the progress away and shows the summary, if the run came as far as to have one.</summary>
    public void End(RunRecord? record)
    {
        display?.Dispose();
        full?.Dispose();
        foreach (var line in record is null ? [] : RunSummaryText.Of(record)) output.Remark(line, RunSummaryText.Tag);
        if (record is not null && CiSystem.SummaryFile is { } file) AddSummary(file, record);
    }

    /// <summary>Others write to the summary of the job as well, before and after.</summary>
    private void AddSummary(string file, RunRecord record)
    {
        try
        {
            File.AppendAllText(file, MarkdownSummary.Text(record.ToReport()));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            output.Warning($"The summary of the job cannot be written: {e.Message}");
        }
    }

    /// <summary>Closes the files, and then writes the errors: with -ErrorAction Stop nothing comes after an error.</summary>
    public void Dispose()
    {
        display?.Dispose();
        full?.Dispose();
        foreach (var file in files) file.Dispose();
        pipeline.Complete();
    }

    private void AddFile<TLog>(string? file, string parameter, string remedy, Func<Stream, Action<Exception>, TLog> open)
        where TLog : IBuildObserver, IDisposable
    {
        if (file is null) return;
        var log = open(
            OpenFile(file, parameter),
            error =>
                output.Warning($"-{parameter} {file} cannot be written any more: {error.Message} The build goes on without it{remedy}."));
        observers.Add(log);
        files.Add(log);
    }

    /// <summary>Begins a file that the user has named. A new one is for the user's eyes only: logs may have secrets.</summary>
    private static FileStream OpenFile(string file, string parameter)
    {
        try
        {
            return new(file, new FileStreamOptions
            {
                Mode = FileMode.Create,
                Access = FileAccess.Write,
                Share = FileShare.ReadWrite,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            });
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new NixBuildFarmException(
                $"{parameter}NotWritten", $"-{parameter} {file} cannot be written: {e.Message}",
                "Name a file in a folder that is there and yours.", e);
        }
    }
}
