using Microsoft.Data.Sqlite;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.History;

/// <summary>Transfers, from which bandwidths are learnt.</summary>
internal static class TransferTable
{
    /// <summary>More of one builder and direction speak of a network that is gone.</summary>
    private const int NewestKept = 24;

    private const string Columns = "builder, to_builder, bytes, seconds, ended";

    /// <summary>All that is kept, oldest first.</summary>
    public static List<TransferObservation> Read(SqliteConnection connection) => connection.Query(
        $"SELECT {Columns} FROM transfer ORDER BY ended, id",
        row => new TransferObservation
        {
            Builder = row.GetString(0),
            ToBuilder = row.GetBoolean(1),
            Bytes = row.GetInt64(2),
            Seconds = row.GetDouble(3),
            At = DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(4)),
        });

    /// <summary>Adds transfers, and forgets older ones.</summary>
    public static void Add(SqliteTransaction transaction, IReadOnlyCollection<TransferObservation> transfers)
    {
        transaction.Insert(
            "transfer", Columns, transfers, t => [t.Builder, t.ToBuilder, t.Bytes, t.Seconds, t.At.ToUnixTimeMilliseconds()]);
        transaction.Connection!.Execute($"""
            DELETE FROM transfer WHERE id IN (
                SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY builder, to_builder ORDER BY ended DESC, id DESC) AS age FROM transfer)
                WHERE age > {NewestKept})
            """);
    }

    /// <summary>Deletes transfers that ended before a moment; null: all.</summary>
    public static void Remove(SqliteTransaction transaction, DateTimeOffset? before) => transaction.Connection!.Execute(
        "DELETE FROM transfer WHERE @before IS NULL OR ended < @before", ("@before", before?.ToUnixTimeMilliseconds()));
}
