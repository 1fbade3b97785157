using System.Text.Json;
using Microsoft.Data.Sqlite;
using NixBuildFarm.Errors;

namespace NixBuildFarm.History;

/// <summary>Runs: each as a whole, with columns for queries, and a row for each derivation.</summary>
internal static class RunTable
{
    private const int NewestKept = 1000;
    private const int JobsKept = 500_000;
    private const int IdsInError = 5;
    private const string Interruption =
        "The process of the run ended before the run did: a signal or a crash. What is known is what it had written by then.";
    private static readonly TimeSpan LongestKept = TimeSpan.FromDays(90);

    /// <summary>Keeps a run, and forgets old ones.</summary>
    public static void Add(SqliteTransaction transaction, RunRecord run)
    {
        transaction.Connection!.Execute("DELETE FROM run WHERE id = @id", ("@id", run.Id));
        transaction.Insert("run", "id, started, ended, state, requested, jobs, built, not_done, record", [run], r =>
        [
            r.Id, r.Started.ToUnixTimeMilliseconds(), r.Ended.ToUnixTimeMilliseconds(), r.State.ToString(),
            JsonSerializer.Serialize(r.Requested), r.Jobs.Count,
            r.Jobs.Count(job => job.Status == NixBuildStatus.Built), r.Jobs.Count(job => !job.Status.IsSuccess()), RunRecordFormat.Pack(r),
        ]);
        transaction.Insert("result", "run, job, name, builder, status", run.Jobs.Select((job, index) => (job, index)), r =>
            [run.Id, r.index, r.job.Job.Name, r.job.Builder, r.job.Status.ToString()]);
        Forget(transaction.Connection!, run.Ended);
    }

    /// <summary>The run with this id, or the only one whose id begins so.</summary>
    /// <exception cref="NixBuildFarmException">Several begin so.</exception>
    public static RunRecord? Find(SqliteConnection connection, string id, RunLocks locks)
    {
        var ids = connection.Query(
            $"SELECT id FROM run WHERE substr(id, 1, length(@id)) = @id ORDER BY id != @id, id LIMIT {IdsInError}", row => row.GetString(0),
            ("@id", id));
        if (ids.Count > 1 && ids[0] != id)
        {
            throw new NixBuildFarmException(
                "AmbiguousRun",
                $"Several runs begin with {id}: {string.Join(", ", ids)}{(ids.Count == IdsInError ? ", …" : "")}",
                "Give more of the id.");
        }
        if (ids.Count == 0) return null;
        var run = Record();
        // The end is written before the lock goes: where it was free, what was read before may be out of date.
        if (run is not { State: RunState.Running } || locks.IsHeld(run.Id)) return run;
        run = Record();
        return run is { State: RunState.Running } ? run with { State = RunState.Interrupted, Error = Interruption } : run;

        RunRecord? Record() => connection.Query(
            "SELECT record FROM run WHERE id = @id", row => RunRecordFormat.Unpack(row.GetFieldValue<byte[]>(0)), ("@id", ids[0]))
            .SingleOrDefault();
    }

    /// <summary>Runs, the newest first.</summary>
    public static IReadOnlyList<NixBuildRun> Read(SqliteConnection connection, RunFilter filter, RunLocks locks)
    {
        // Which of the runs that have no end go on is not in the tables.
        if (filter.State is not (RunState.Running or RunState.Interrupted)) return ReadTwice(connection, filter, locks);
        var runs = ReadTwice(connection, filter with { State = RunState.Running, Newest = null }, locks)
            .Where(run => run.State == filter.State);
        return [.. runs.Take(filter.Newest ?? int.MaxValue)];
    }

    /// <summary>Has a run that seems interrupted be so twice: see <see cref="Find"/>.</summary>
    private static List<NixBuildRun> ReadTwice(SqliteConnection connection, RunFilter filter, RunLocks locks)
    {
        var runs = Query(connection, filter, run => !locks.IsHeld(run));
        var unheld = runs.Where(run => run.State == RunState.Interrupted).Select(run => run.RunId).ToHashSet();
        return unheld.Count == 0 ? runs : Query(connection, filter, unheld.Contains);
    }

    private static List<NixBuildRun> Query(
        SqliteConnection connection, RunFilter filter, Func<string, bool> isInterrupted) => connection.Query(
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
        row => new NixBuildRun
        {
            RunId = row.GetString(0),
            Started = DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(1)),
            Duration = TimeSpan.FromMilliseconds(row.GetInt64(2) - row.GetInt64(1)),
            State = StateOf(row.GetString(0), row.GetString(3), isInterrupted),
            Requested = JsonSerializer.Deserialize<string[]>(row.GetString(4)) ?? [],
            Derivations = row.GetInt32(5),
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

    private static RunState StateOf(string run, string written, Func<string, bool> isInterrupted)
    {
        if (!Enum.TryParse<RunState>(written, out var state)) throw new InvalidDataException($"{written} is no end of a run.");
        return state == RunState.Running && isInterrupted(run) ? RunState.Interrupted : state;
    }

    private static void Forget(SqliteConnection connection, DateTimeOffset now) => connection.Execute(
        $"""
        DELETE FROM run WHERE started < @oldest OR id IN (
            SELECT id FROM (
                SELECT id, row_number() OVER newest AS age, sum(jobs) OVER newest AS total FROM run
                WINDOW newest AS (ORDER BY started DESC, id DESC))
            WHERE age > {NewestKept} OR (age > 1 AND total > {JobsKept}))
        """,
        ("@oldest", (now - LongestKept).ToUnixTimeMilliseconds()));

    // SQLite's character sets are plain characters in a name here.
    private static string? Glob(string? wildcards) => wildcards?.ToLowerInvariant().Replace("[", "[[]", StringComparison.Ordinal);
}
