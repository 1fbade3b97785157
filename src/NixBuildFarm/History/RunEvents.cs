using NixBuildFarm.Errors;
using NixBuildFarm.Logs;
using NixBuildFarm.Reporting.Events;

namespace NixBuildFarm.History;

/// <summary>The events of a run of this user that goes on, of whatever session.</summary>
internal static class RunEvents
{
    /// <summary>The file of a run's events.</summary>
    /// <param name="run">The id of the run, or the beginning of it; null: the newest that goes on.</param>
    /// <exception cref="NixBuildFarmException">No run goes on, there is no such run, or its events are gone.</exception>
    public static LogFile Find(string? run)
    {
        using var history = ReadOnlyHistory.Open();
        var id = run is { } named
            ? history.Run(named).Id
            : history.Store.Runs(new RunFilter { State = RunState.Running, Newest = 1 }) is [var newest, ..] ? newest.RunId
            : throw new NixBuildFarmException("NothingRuns", "No run goes on.", "Get-NixBuild lists those that have ended.");
        var file = WatchFile.Of(WatchFile.DefaultFolder, id);
        return File.Exists(file)
            ? new(file, id, id)
            : throw new NixBuildFarmException(
                "NotWatchable", $"The run {id} has ended too long ago to be watched, or another version of NixBuildFarm carries it out.",
                $"Get-NixBuild {id} -Result shows what became of it; Export-NixBuildReport has the whole.");
    }
}
