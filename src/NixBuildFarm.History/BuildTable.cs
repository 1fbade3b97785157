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
        + "compiles, compiles_shared, compile_seconds, compile_saved, peak_memory, processor_seconds, killed";

    /// <summary>The builds of these packages, oldest first.</summary>
    public static List<BuildObservation> Read(SqliteConnection connection, IReadOnlySet<string> packages) => connection.Query(
        $"SELECT {Columns} FROM build WHERE package IN (SELECT value FROM json_each(@packages)) ORDER BY ended, id",
        row => new BuildObservation
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
        },
        ("@packages", JsonSerializer.Serialize(packages)));

    /// <summary>Adds builds, and forgets older ones of the same packages.</summary>
    public static void Add(SqliteTransaction transaction, IReadOnlyCollection<BuildObservation> builds)
    {
        transaction.Insert("build", Columns, builds, b =>
        [
            b.Package, b.System, b.Builder, b.Seconds, b.Cores, b.EnableParallelBuilding, b.SpeedFactor, b.OutputBytes,
            b.At.ToUnixTimeMilliseconds(),
            b.Compiles?.Count, b.Compiles?.Shared, b.Compiles?.Seconds, b.Compiles?.SavedSeconds,
            b.PeakMemory, b.ProcessorSeconds, b.WasKilled,
        ]);
        transaction.Connection!.Execute(
            $"""
            DELETE FROM build WHERE id IN (
                SELECT id FROM (
                    SELECT id, row_number() OVER (PARTITION BY package, system ORDER BY ended DESC, id DESC) AS age
                    FROM build WHERE package IN (SELECT value FROM json_each(@packages)))
                WHERE age > {NewestKept})
            """,
            ("@packages", JsonSerializer.Serialize(builds.Select(b => b.Package).Distinct())));
    }

    /// <summary>Deletes builds that ended before a moment; null: all.</summary>
    public static void Remove(SqliteTransaction transaction, DateTimeOffset? before) => transaction.Connection!.Execute(
        "DELETE FROM build WHERE @before IS NULL OR ended < @before", ("@before", before?.ToUnixTimeMilliseconds()));
}
