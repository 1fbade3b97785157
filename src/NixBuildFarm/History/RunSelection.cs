using NixBuildFarm.Errors;
using NixBuildFarm.Hosting;

namespace NixBuildFarm.History;

/// <summary>Which runs a cmdlet works with.</summary>
internal static class RunSelection
{
    /// <summary>
    /// The runs with these ids, or beginnings of ids, that fit the filter. An id that no run has is an error, and the others go on.
    /// </summary>
    /// <param name="history">Where runs are.</param>
    /// <param name="ids">The ids; empty: all runs.</param>
    /// <param name="filter">Further conditions; its limit counts matching runs.</param>
    /// <param name="output">Where the errors go.</param>
    public static IReadOnlyList<NixBuildRun> Choose(
        this ReadOnlyHistory history, IReadOnlyCollection<string> ids, RunFilter filter, CommandOutput output)
    {
        if (ids.Count == 0) return history.Store.Runs(filter);
        var known = new HashSet<string>();
        foreach (var id in ids)
        {
            try
            {
                known.Add(history.Run(id).Id);
            }
            catch (NixBuildFarmException e) when (e is not HistoryException)
            {
                output.Error(e, id);
            }
        }
        return
        [
            .. history.Store.Runs(filter with { Newest = null })
                .Where(run => known.Contains(run.RunId))
                .Take(filter.Newest ?? int.MaxValue),
        ];
    }
}
