using NixBuildFarm.Errors;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.History;

/// <summary>What earlier runs have taught, and the runs themselves.</summary>
/// <remarks>All of it throws <see cref="HistoryException"/> where the history cannot be used.</remarks>
public interface IRunHistory : IBuildHistory
{
    /// <summary>The builders that made trouble not long ago.</summary>
    IReadOnlyList<BuilderTrouble> Troubles();

    /// <summary>Keeps what trouble builders make, in place of what was known of them; one that is well again is forgotten.</summary>
    void Add(IReadOnlyCollection<BuilderTrouble> troubles);

    /// <summary>What shared compiles have left in the store of a builder.</summary>
    IReadOnlyList<KeptCompile> KeptCompiles(string builder);

    /// <summary>Keeps what compiles have left in the store of a builder, in place of what was known of it.</summary>
    void Keep(string builder, IReadOnlyCollection<KeptCompile> compiles);

    /// <summary>
    /// Keeps a run, in place of one with the same id; forgets what is too old. A run that goes on is kept so as long as this process and this
    /// object last: from then on it was interrupted.
    /// </summary>
    void Add(RunRecord run);

    /// <summary>The run with this id, or the only one whose id begins so; null when there is none.</summary>
    /// <exception cref="NixBuildFarmException">Several runs begin so.</exception>
    RunRecord? Run(string id);

    /// <summary>Runs, the newest first.</summary>
    IReadOnlyList<RunSummary> Runs(RunFilter filter);

    /// <summary>Forgets runs, all of them or none when it throws. What was learnt from them stays.</summary>
    void RemoveRuns(IReadOnlyCollection<string> ids);

    /// <summary>Forgets what was learnt of durations, bandwidths and troubles.</summary>
    /// <param name="before">Only what was seen before; null: everything.</param>
    void RemoveObservations(DateTimeOffset? before);
}
