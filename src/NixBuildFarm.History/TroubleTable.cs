using Microsoft.Data.Sqlite;

namespace NixBuildFarm.History;

/// <summary>Quarantines of builders.</summary>
internal static class TroubleTable
{
    /// <summary>Older quarantines say nothing about the builder any more.</summary>
    private static readonly TimeSpan LongestKept = TimeSpan.FromDays(1);

    private const string Columns = "builder, openings, until, reason";

    /// <summary>All that is kept.</summary>
    public static List<BuilderTrouble> Read(SqliteConnection connection) => connection.Query(
        $"SELECT {Columns} FROM trouble ORDER BY builder",
        row => new BuilderTrouble
        {
            Builder = row.GetString(0),
            Openings = row.GetInt32(1),
            Until = DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(2)),
            Reason = row.GetString(3),
        });

    /// <summary>Replaces the quarantines of these builders, and deletes old ones.</summary>
    public static void Add(SqliteTransaction transaction, IReadOnlyCollection<BuilderTrouble> troubles)
    {
        foreach (var trouble in troubles)
        {
            transaction.Connection!.Execute("DELETE FROM trouble WHERE builder = @builder", ("@builder", trouble.Builder));
        }
        transaction.Insert(
            "trouble",
            Columns,
            troubles.Where(trouble => trouble.Openings > 0),
            t => [t.Builder, t.Openings, t.Until.ToUnixTimeMilliseconds(), t.Reason]);
        if (troubles.Count > 0)
        {
            transaction.Connection!.Execute(
                "DELETE FROM trouble WHERE until < @oldest",
                ("@oldest", (troubles.Max(trouble => trouble.Until) - LongestKept).ToUnixTimeMilliseconds()));
        }
    }

    /// <summary>Deletes quarantines that ended before a moment; null: all.</summary>
    public static void Remove(SqliteTransaction transaction, DateTimeOffset? before) => transaction.Connection!.Execute(
        "DELETE FROM trouble WHERE @before IS NULL OR until < @before", ("@before", before?.ToUnixTimeMilliseconds()));
}
