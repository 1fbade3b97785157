using NixBuildFarm.Errors;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.History;

/// <summary>Observations of earlier runs, and the runs themselves.</summary>
/// <remarks>All of it throws <see cref="HistoryException"/> where the history cannot be used.</remarks>
public interface IRunHistory : IBuildHistory
{
    /// <summary>Keeps builds that others tell of, each once.</summary>
    /// <returns>How many of them were not there before, and are kept.</returns>
    int Import(IReadOnlyCollection<BuildObservation> builds);

    /// <summary>What this user has built since a moment, oldest first.</summary>
    IReadOnlyList<BuildObservation> BuildsSince(DateTimeOffset moment);

    /// <summary>When a source was last asked for builds that it knows of; null: never.</summary>
    DateTimeOffset? AskedAt(string source);

    /// <summary>A source was asked.</summary>
    void SetAsked(string source, DateTimeOffset at);

    /// <summary>The recent quarantines of builders.</summary>
    IReadOnlyList<BuilderTrouble> Troubles();

    /// <summary>Replaces the quarantines of these builders; those of healthy builders are removed.</summary>
    void Add(IReadOnlyCollection<BuilderTrouble> troubles);

    /// <summary>What shared compiles have left in the store of a builder.</summary>
    IReadOnlyList<KeptCompile> KeptCompiles(string builder);

    /// <summary>Keeps what compiles have left in the store of a builder, beside what is known of it.</summary>
    void Keep(string builder, IReadOnlyCollection<KeptCompile> compiles);

    /// <summary>Forgets what is in the store of a builder no more.</summary>
    void Forget(string builder, IReadOnlyCollection<string> paths);

    /// <summary>
    /// Stores a run, in place of one with the same id, and deletes old ones. A run that is still going on counts as interrupted as soon as
    /// this object or this process ends.
    /// </summary>
    void Add(RunRecord run);

    /// <summary>The run with this id, or the only one whose id begins so; null when there is none.</summary>
    /// <exception cref="NixBuildFarmException">Several runs begin so.</exception>
    RunRecord? Run(string id);

    /// <summary>Runs, the newest first.</summary>
    IReadOnlyList<NixBuildRun> Runs(RunFilter filter);

    /// <summary>Deletes runs, all of them or none when it throws. Observations of them stay.</summary>
    void RemoveRuns(IReadOnlyCollection<string> ids);

    /// <summary>Deletes observations of durations and bandwidths, and quarantines.</summary>
    /// <param name="before">Only older ones; null: all.</param>
    void RemoveObservations(DateTimeOffset? before);
}
