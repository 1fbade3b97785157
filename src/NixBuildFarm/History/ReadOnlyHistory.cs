using NixBuildFarm.Errors;

namespace NixBuildFarm.History;

/// <summary>The history for cmdlets that only look: where there is none yet, none is made.</summary>
internal sealed class ReadOnlyHistory : IDisposable
{
    private readonly SqliteHistory? file;

    private ReadOnlyHistory(SqliteHistory? file) => this.file = file;

    /// <summary>The history.</summary>
    public IRunHistory Store => file is null ? NoHistory.Instance : file;

    /// <summary>Opens the user's history, if there is one.</summary>
    public static ReadOnlyHistory Open() =>
        new(File.Exists(SqliteHistory.DefaultFile) ? new SqliteHistory(SqliteHistory.DefaultFile) : null);

    /// <summary>A run by its id, or by the beginning of it.</summary>
    /// <exception cref="NixBuildFarmException">There is none, or several begin so; or the history cannot be read.</exception>
    public RunRecord Run(string id) => Store.Run(id)
        ?? throw new NixBuildFarmException("RunNotFound", $"There is no run “{id}”.", "Get-NixBuild lists the runs.");

    /// <summary>
    /// The newest run that has ended and in which a build ended in one of these ways: others, in which all was there already, tell nothing.
    /// </summary>
    /// <exception cref="NixBuildFarmException">There is none, or the history cannot be read.</exception>
    public RunRecord LatestRun(params NixBuildStatus[] endings)
    {
        var newest = endings.SelectMany(ending => Store.Runs(new() { Status = ending }).Where(run => run.State != RunState.Running).Take(1))
            .MaxBy(run => run.Started);
        return newest is not null
            ? Run(newest.RunId)
            : throw new NixBuildFarmException(
                "RunNotFound", "No run has built anything yet.", "Build something with Invoke-NixDistributedBuild first.");
    }

    /// <inheritdoc/>
    public void Dispose() => file?.Dispose();
}
