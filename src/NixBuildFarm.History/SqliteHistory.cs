using NixBuildFarm.Platform;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.History;

/// <summary>
/// The history in an SQLite file, which several processes may use at the same time. The file is opened when it is first needed; old rows
/// are deleted when new ones are added.
/// </summary>
public sealed class SqliteHistory : IRunHistory, IDisposable
{
    private readonly HistoryDatabase database;
    private readonly RunLocks locks;

    /// <summary>Names the file; it is made when it is first used.</summary>
    /// <param name="file">The file.</param>
    /// <param name="patience">How long others' writing is waited for, in whole seconds; null: three.</param>
    public SqliteHistory(string file, TimeSpan? patience = null)
    {
        database = new(file, patience ?? TimeSpan.FromSeconds(3));
        locks = new(Path.Combine(Path.GetDirectoryName(database.File)!, "running"));
    }

    /// <summary><c>$XDG_STATE_HOME/nixbuildfarm/history.db</c>.</summary>
    public static string DefaultFile => Path.Combine(StateFolder.Path, "history.db");

    /// <summary>The file.</summary>
    public string File => database.File;

    /// <inheritdoc/>
    public IReadOnlyList<BuildObservation> Builds(IReadOnlySet<string> packages) =>
        database.Read(connection => BuildTable.Read(connection, packages));

    /// <inheritdoc/>
    public IReadOnlyList<TransferObservation> Transfers() => database.Read(TransferTable.Read);

    /// <inheritdoc/>
    public void Add(IReadOnlyCollection<BuildObservation> builds, IReadOnlyCollection<TransferObservation> transfers)
    {
        if (builds.Count + transfers.Count == 0) return;
        database.Write(transaction =>
        {
            BuildTable.Add(transaction, builds);
            TransferTable.Add(transaction, transfers);
        });
    }

    /// <inheritdoc/>
    public int Import(IReadOnlyCollection<BuildObservation> builds)
    {
        if (builds.Count == 0) return 0;
        var added = 0;
        database.Write(transaction => added = BuildTable.Import(transaction, builds));
        return added;
    }

    /// <inheritdoc/>
    public IReadOnlyList<BuildObservation> BuildsSince(DateTimeOffset moment) =>
        database.Read(connection => BuildTable.ReadSince(connection, moment));

    /// <summary>The builds that this history has seen itself, as those of another user.</summary>
    internal IReadOnlyList<BuildObservation> BuildsForOthers() => database.Read(BuildTable.ReadForOthers);

    /// <inheritdoc/>
    public DateTimeOffset? AskedAt(string source) => database.Read(connection => AskedTable.Read(connection, source));

    /// <inheritdoc/>
    public void SetAsked(string source, DateTimeOffset at) => database.Write(transaction => AskedTable.Set(transaction, source, at));

    /// <inheritdoc/>
    public IReadOnlyList<BuilderTrouble> Troubles() => database.Read(TroubleTable.Read);

    /// <inheritdoc/>
    public void Add(IReadOnlyCollection<BuilderTrouble> troubles) => database.Write(transaction => TroubleTable.Add(transaction, troubles));

    /// <inheritdoc/>
    public IReadOnlyList<KeptCompile> KeptCompiles(string builder) => database.Read(connection => MemoTable.Read(connection, builder));

    /// <inheritdoc/>
    public void Keep(string builder, IReadOnlyCollection<KeptCompile> compiles) =>
        database.Write(transaction => MemoTable.Add(transaction, builder, compiles));

    /// <inheritdoc/>
    public void Forget(string builder, IReadOnlyCollection<string> paths) =>
        database.Write(transaction => MemoTable.Remove(transaction, builder, paths));

    /// <inheritdoc/>
    public void Add(RunRecord run)
    {
        // Held before anybody can read of the run, and until its end is written.
        if (run.State == RunState.Running) locks.Hold(run.Id);
        database.Write(transaction => RunTable.Add(transaction, run));
        if (run.State != RunState.Running) locks.Release(run.Id);
    }

    /// <inheritdoc/>
    public RunRecord? Run(string id) => database.Read(connection => RunTable.Find(connection, id, locks));

    /// <inheritdoc/>
    public IReadOnlyList<NixBuildRun> Runs(RunFilter filter) => database.Read(connection => RunTable.Read(connection, filter, locks));

    /// <inheritdoc/>
    public void RemoveRuns(IReadOnlyCollection<string> ids)
    {
        database.Write(transaction => RunTable.Remove(transaction, ids));
        database.Shrink();
    }

    /// <inheritdoc/>
    public void RemoveObservations(DateTimeOffset? before)
    {
        database.Write(transaction =>
        {
            BuildTable.Remove(transaction, before);
            TransferTable.Remove(transaction, before);
            TroubleTable.Remove(transaction, before);
            AskedTable.Remove(transaction, before);
        });
        database.Shrink();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        locks.Dispose();
        database.Dispose();
    }
}
