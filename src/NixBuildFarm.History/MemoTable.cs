using Microsoft.Data.Sqlite;

namespace NixBuildFarm.History;

/// <summary>What shared compiles have left in the stores of builders: without knowing it, nobody could say what is to go there.</summary>
internal static class MemoTable
{
    private const string Columns = "builder, path, bytes, used";

    /// <summary>What is kept of a builder, the newest first.</summary>
    public static List<KeptCompile> Read(SqliteConnection connection, string builder) => connection.Query(
        $"SELECT {Columns} FROM memo WHERE builder = @builder ORDER BY used DESC, path",
        row => new KeptCompile(row.GetString(1), row.GetInt64(2), DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(3))),
        ("@builder", builder));

    /// <summary>Puts what is known of a builder in place of what was.</summary>
    public static void Replace(SqliteTransaction transaction, string builder, IReadOnlyCollection<KeptCompile> compiles)
    {
        transaction.Connection!.Execute("DELETE FROM memo WHERE builder = @builder", ("@builder", builder));
        transaction.Insert(
            "memo", Columns, compiles, compile => [builder, compile.Path, compile.Bytes, compile.UsedAt.ToUnixTimeMilliseconds()]);
    }
}
