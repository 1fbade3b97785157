using Microsoft.Data.Sqlite;

namespace NixBuildFarm.Farm.Tests.History;

/// <summary>A history as another program sees it, while no run of this process has it open.</summary>
internal static class HistoryFile
{
    public static List<T> Query<T>(string file, string sql, Func<SqliteDataReader, T> make)
    {
        using var connection = Connect(file);
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        using var row = command.ExecuteReader();
        var all = new List<T>();
        while (row.Read()) all.Add(make(row));
        return all;
    }

    public static List<string> Texts(string file, string sql) => Query(file, sql, row => row.GetString(0));

    public static void Change(string file, string sql)
    {
        using var connection = Connect(file);
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    public static SqliteConnection Connect(string file)
    {
        var connection = new SqliteConnection($"Data Source={file};Pooling=False;Mode=ReadWrite");
        connection.Open();
        return connection;
    }
}
