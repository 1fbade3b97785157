using System.Text.Json;
using Microsoft.Data.Sqlite;
using NixBuildFarm.Running;

namespace NixBuildFarm.History;

/// <summary>Runs: each as a whole, and by what is asked for in columns and in one row for each derivation.</summary>
internal static class RunTable
{
    private const int NewestKept = 1000;
    private const int JobsKept = 500_000;
    private const int IdsInError = 5;
    private static readonly TimeSpan LongestKept = TimeSpan.FromDays(90);

    /// <summary>Keeps a run, and forgets old ones.</summary>
    public static void Add(SqliteTransaction transaction, RunRecord run)
    {
        transaction.Connection!.Execute("DELETE FROM run WHERE id = @id", ("@id", run.Id));
        transaction.Insert("run", "id, started, ended, state, requested, jobs, built, not_done, record", [run], r =>
        [
            r.Id, r.Started.ToUnixTimeMilliseconds(), r.Ended.ToUnixTimeMilliseconds(), r.State.ToString(), JsonSerializer.Serialize(r.Requested), r.Jobs.Count,
            r.Jobs.Count(job => job.Status == NixBuildStatus.Built), r.Jobs.Count(IsNotDone), RunRecordFormat.Pack(r),
        ]);
        transaction.Insert("result", "run, job, name, builder, status", run.Jobs.Select((job, index) => (job, index)), r =>
            [run.Id, r.index, r.job.Job.Name, r.job.Builder, r.job.Status.ToString()]);
        Forget(transaction.Connection!, run.Ended);
    }

    /// <summary>The run with this id, or the only one whose id begins so.</summary>
    /// <exception cref="NixBuildFarmException">Several begin so.</exception>
    public static RunRecord? Find(SqliteConnection connection, string id)
    {
        var ids = connection.Query(
            $"SELECT id FROM run WHERE substr(id, 1, length(@id)) = @id ORDER BY id != @id, id LIMIT {IdsInError}", row => row.GetString(0), ("@id", id));
        if (ids.Count > 1 && ids[0] != id)
        {
            throw new NixBuildFarmException("AmbiguousRun", $"Several runs begin with {id}: {string.Join(", ", ids)}{(ids.Count == IdsInError ? ", …" : "")}", "Give more of the id.");
        }
        return ids.Count == 0 ? null : Single(connection, "WHERE id = @id", ("@id", ids[0]));
    }

    /// <summary>The run that began last.</summary>
    public static RunRecord? Latest(SqliteConnection connection) => Single(connection, "ORDER BY started DESC, id DESC LIMIT 1");

    /// <summary>Runs, the newest first.</summary>
    public static List<RunSummary> Read(SqliteConnection connection, RunFilter filter) => connection.Query(
        """
        SELECT id, started, ended, state, requested, jobs, built, not_done FROM run
        WHERE (@state IS NULL OR state = @state)
            AND (@after IS NULL OR started >= @after)
            AND (@before IS NULL OR started < @before)
            AND ((@name IS NULL AND @builder IS NULL AND @status IS NULL) OR EXISTS (
                SELECT * FROM result WHERE result.run = run.id
                    AND (@name IS NULL OR lower(name) GLOB @name)
                    AND (@builder IS NULL OR lower(builder) GLOB @builder)
                    AND (@status IS NULL OR status = @status)))
        ORDER BY started DESC, id DESC LIMIT @newest
        """,
        row => new RunSummary
        {
            Id = row.GetString(0),
            Started = DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(1)),
            Ended = DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(2)),
            State = Enum.TryParse<RunState>(row.GetString(3), out var state) ? state : throw new InvalidDataException($"{row.GetString(3)} is no end of a run."),
            Requested = JsonSerializer.Deserialize<string[]>(row.GetString(4)) ?? [],
            Jobs = row.GetInt32(5),
            Built = row.GetInt32(6),
            NotDone = row.GetInt32(7),
        },
        ("@state", filter.State?.ToString()),
        ("@after", filter.After?.ToUnixTimeMilliseconds()),
        ("@before", filter.Before?.ToUnixTimeMilliseconds()),
        ("@name", Glob(filter.Name)),
        ("@builder", Glob(filter.Builder)),
        ("@status", filter.Status?.ToString()),
        ("@newest", filter.Newest ?? -1));

    /// <summary>Forgets runs, with all that belongs to them.</summary>
    public static void Remove(SqliteTransaction transaction, IReadOnlyCollection<string> ids) => transaction.Connection!.Execute(
        "DELETE FROM run WHERE id IN (SELECT value FROM json_each(@ids))", ("@ids", JsonSerializer.Serialize(ids)));

    private static RunRecord? Single(SqliteConnection connection, string which, params ReadOnlySpan<(string Name, object? Value)> parameters) =>
        connection.Query($"SELECT record FROM run {which}", row => RunRecordFormat.Unpack(row.GetFieldValue<byte[]>(0)), parameters).SingleOrDefault();

    private static void Forget(SqliteConnection connection, DateTimeOffset now) => connection.Execute(
        $"""
        DELETE FROM run WHERE started < @oldest OR id IN (
            SELECT id FROM (
                SELECT id, row_number() OVER newest AS age, sum(jobs) OVER newest AS total FROM run
                WINDOW newest AS (ORDER BY started DESC, id DESC))
            WHERE age > {NewestKept} OR (age > 1 AND total > {JobsKept}))
        """,
        ("@oldest", (now - LongestKept).ToUnixTimeMilliseconds()));

    // What SQLite calls a set of characters is one of a name here.
    private static string? Glob(string? wildcards) => wildcards?.ToLowerInvariant().Replace("[", "[[]", StringComparison.Ordinal);

    private static bool IsNotDone(RecordedJob job) => job.Status is not (NixBuildStatus.Built or NixBuildStatus.Substituted or NixBuildStatus.AlreadyValid);
}
