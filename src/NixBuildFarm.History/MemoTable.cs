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

    /// <summary>Adds what is kept of a builder, in place of what was known of the same paths.</summary>
    public static void Add(SqliteTransaction transaction, string builder, IReadOnlyCollection<KeptCompile> compiles)
    {
        Remove(transaction, builder, compiles.Select(compile => compile.Path));
        transaction.Insert(
            "memo", Columns, compiles, compile => [builder, compile.Path, compile.Bytes, compile.UsedAt.ToUnixTimeMilliseconds()]);
    }

    /// <summary>Removes paths of a builder.</summary>
    public static void Remove(SqliteTransaction transaction, string builder, IEnumerable<string> paths)
    {
        foreach (var path in paths)
        {
            transaction.Connection!.Execute(
                "DELETE FROM memo WHERE builder = @builder AND path = @path", ("@builder", builder), ("@path", path));
        }
    }
}
