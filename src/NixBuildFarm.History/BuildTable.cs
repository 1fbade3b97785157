using System.Text.Json;
using Microsoft.Data.Sqlite;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.History;

/// <summary>Builds that succeeded, or were killed for their memory: durations, speeds and memory are learnt from them.</summary>
internal static class BuildTable
{
    /// <summary>More of one package and system speak of versions and machines that are gone.</summary>
    private const int NewestKept = 24;

    private const string Columns = "package, system, builder, seconds, cores, parallel, speed_factor, output_bytes, ended, "
        + "compiles, compiles_shared, compile_seconds, compile_saved, peak_memory, processor_seconds, killed, source, origin, "
        + "check_at, install_at";

    /// <summary>The builds of these packages, oldest first.</summary>
    public static List<BuildObservation> Read(SqliteConnection connection, IReadOnlySet<string> packages) => connection.Query(
        $"SELECT {Columns} FROM build WHERE package IN (SELECT value FROM json_each(@packages)) ORDER BY ended, id",
        Make,
        ("@packages", JsonSerializer.Serialize(packages)));

    /// <summary>The builds that were seen here and ended since a moment, oldest first.</summary>
    public static List<BuildObservation> ReadSince(SqliteConnection connection, DateTimeOffset moment) => connection.Query(
        $"SELECT {Columns} FROM build WHERE source = 'Run' AND ended >= @moment ORDER BY ended, id",
        Make,
        ("@moment", moment.ToUnixTimeMilliseconds()));

    /// <summary>
    /// What another user may take over: builds that were seen here, not those that were told of. Rows that are no builds are passed over.
    /// </summary>
    public static List<BuildObservation> ReadForOthers(SqliteConnection connection) =>
    [
        .. connection.Query($"SELECT {Columns} FROM build WHERE source = 'Run' ORDER BY ended, id", TryMake)
            .OfType<BuildObservation>()
            .Select(build => build with
            {
                Source = EstimateSource.OtherHistory,
                Origin = $"{build.System} {build.At.ToUnixTimeMilliseconds()}",
            }),
    ];

    private static BuildObservation? TryMake(SqliteDataReader row)
    {
        try
        {
            return Make(row);
        }
        catch (Exception e) when (HistoryErrors.IsAboutContents(e))
        {
            return null;
        }
    }

    private static BuildObservation Make(SqliteDataReader row) => new()
    {
        Package = row.GetString(0),
        System = row.GetString(1),
        Builder = row.GetString(2),
        Seconds = row.GetDouble(3),
        Cores = row.GetInt32(4),
        EnableParallelBuilding = row.GetBoolean(5),
        SpeedFactor = row.GetDouble(6),
        OutputBytes = row.GetInt64(7),
        At = DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(8)),
        Compiles = row.IsDBNull(9)
            ? null
            : new(row.GetInt32(9), row.GetInt32(10), row.GetDouble(11), row.IsDBNull(12) ? null : row.GetDouble(12)),
        PeakMemory = row.IsDBNull(13) ? null : row.GetInt64(13),
        ProcessorSeconds = row.IsDBNull(14) ? null : row.GetDouble(14),
        WasKilled = row.GetBoolean(15),
        Source = Enum.TryParse<EstimateSource>(row.GetString(16), out var source) ? source : EstimateSource.OtherHistory,
        Origin = row.IsDBNull(17) ? null : row.GetString(17),
        CheckAt = row.IsDBNull(18) ? null : row.GetDouble(18),
        InstallAt = row.IsDBNull(19) ? null : row.GetDouble(19),
    };

    /// <summary>Adds builds, and forgets older ones of the same packages.</summary>
    public static void Add(SqliteTransaction transaction, IReadOnlyCollection<BuildObservation> builds)
    {
        transaction.Insert("build", Columns, builds, Values, orIgnore: true);
        Forget(transaction, builds);
    }

    /// <summary>Adds builds that others tell of, unless they are there already.</summary>
    /// <returns>How many of them are kept and were not there.</returns>
    public static int Import(SqliteTransaction transaction, IReadOnlyCollection<BuildObservation> builds)
    {
        var last = transaction.Connection!.Query("SELECT coalesce(max(id), 0) FROM build", row => row.GetInt64(0))[0];
        transaction.Insert("build", Columns, builds.Where(build => !IsThere(transaction.Connection!, build)), Values, orIgnore: true);
        Forget(transaction, builds);
        return transaction.Connection!.Query("SELECT count(*) FROM build WHERE id > @last", row => row.GetInt32(0), ("@last", last))[0];
    }

    private static object?[] Values(BuildObservation b) =>
    [
        b.Package, b.System, b.Builder, b.Seconds, b.Cores, b.EnableParallelBuilding, b.SpeedFactor, b.OutputBytes,
        b.At.ToUnixTimeMilliseconds(),
        b.Compiles?.Count, b.Compiles?.Shared, b.Compiles?.Seconds, b.Compiles?.SavedSeconds,
        b.PeakMemory, b.ProcessorSeconds, b.WasKilled, b.Source.ToString(), b.Origin, b.CheckAt, b.InstallAt,
    ];

    /// <summary>
    /// The builds of this user, told of by somebody else: the end of a build and of its log are seconds apart, and nix-output-monitor has
    /// another name for the builder.
    /// </summary>
    private static bool IsThere(SqliteConnection connection, BuildObservation build) => connection.Query(
        "SELECT 1 FROM build WHERE package = @package AND source = 'Run' AND abs(ended - @ended) < 3000 LIMIT 1",
        row => row.GetInt32(0),
        ("@package", build.Package),
        ("@ended", build.At.ToUnixTimeMilliseconds())).Count > 0;

    /// <summary>What others tell of does not take the place of what was seen.</summary>
    private static void Forget(SqliteTransaction transaction, IReadOnlyCollection<BuildObservation> builds) =>
        transaction.Connection!.Execute(
            $"""
            DELETE FROM build WHERE id IN (
                SELECT id FROM (
                    SELECT id, row_number() OVER (PARTITION BY package, system, source ORDER BY ended DESC, id DESC) AS age
                    FROM build WHERE package IN (SELECT value FROM json_each(@packages)))
                WHERE age > {NewestKept})
            """,
            ("@packages", JsonSerializer.Serialize(builds.Select(b => b.Package).Distinct())));

    /// <summary>Deletes builds that ended before a moment; null: all.</summary>
    public static void Remove(SqliteTransaction transaction, DateTimeOffset? before) => transaction.Connection!.Execute(
        "DELETE FROM build WHERE @before IS NULL OR ended < @before", ("@before", before?.ToUnixTimeMilliseconds()));
}
