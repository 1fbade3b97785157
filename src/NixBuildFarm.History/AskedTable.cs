using Microsoft.Data.Sqlite;

namespace NixBuildFarm.History;

/// <summary>When other sources were asked for builds that they know of.</summary>
internal static class AskedTable
{
    /// <summary>When a source was last asked; null: never.</summary>
    public static DateTimeOffset? Read(SqliteConnection connection, string source) => connection.Query(
        "SELECT at FROM asked WHERE source = @source",
        row => (DateTimeOffset?)DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(0)),
        ("@source", source)).FirstOrDefault();

    /// <summary>A source was asked.</summary>
    public static void Set(SqliteTransaction transaction, string source, DateTimeOffset at) => transaction.Connection!.Execute(
        "INSERT INTO asked (source, at) VALUES (@source, @at) ON CONFLICT (source) DO UPDATE SET at = excluded.at",
        ("@source", source),
        ("@at", at.ToUnixTimeMilliseconds()));

    /// <summary>Whoever forgets builds may want to know them again.</summary>
    public static void Remove(SqliteTransaction transaction, DateTimeOffset? before) => transaction.Connection!.Execute(
        "DELETE FROM asked WHERE @before IS NULL OR at < @before", ("@before", before?.ToUnixTimeMilliseconds()));
}
