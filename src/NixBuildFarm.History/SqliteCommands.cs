using Microsoft.Data.Sqlite;

namespace NixBuildFarm.History;

/// <summary>Short forms of SQLite commands.</summary>
internal static class SqliteCommands
{
    /// <summary>Runs statements that give nothing.</summary>
    public static void Execute(this SqliteConnection connection, string sql, params ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        using var command = Prepare(connection, sql, parameters);
        command.ExecuteNonQuery();
    }

    /// <summary>Runs a query and makes something of each row.</summary>
    public static List<T> Query<T>(
        this SqliteConnection connection,
        string sql,
        Func<SqliteDataReader,
        T> make,
        params ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        using var command = Prepare(connection, sql, parameters);
        using var row = command.ExecuteReader();
        var all = new List<T>();
        while (row.Read()) all.Add(make(row));
        return all;
    }

    /// <summary>Inserts rows; each gives its values in the order of the columns.</summary>
    /// <param name="transaction">Of all of them.</param>
    /// <param name="table">The table.</param>
    /// <param name="columns">Its columns.</param>
    /// <param name="rows">The rows.</param>
    /// <param name="values">The values of a row.</param>
    /// <param name="orIgnore">Whether a row that is there already is left out.</param>
    public static void Insert<T>(
        this SqliteTransaction transaction, string table, string columns, IEnumerable<T> rows, Func<T, object?[]> values,
        bool orIgnore = false)
    {
        using var command = transaction.Connection!.CreateCommand();
        var names = columns.Split(", ");
        command.Transaction = transaction;
        command.CommandText = $"INSERT {(orIgnore ? "OR IGNORE " : "")}INTO {table} ({columns}) "
            + $"VALUES ({string.Join(", ", names.Select(name => "@" + name))})";
        foreach (var name in names) command.Parameters.Add(new SqliteParameter { ParameterName = "@" + name });
        foreach (var row in rows)
        {
            var i = 0;
            foreach (var value in values(row)) command.Parameters[i++].Value = value ?? DBNull.Value;
            command.ExecuteNonQuery();
        }
    }

    private static SqliteCommand Prepare(SqliteConnection connection, string sql, ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        var command = connection.CreateCommand();
        command.CommandText = sql;
        foreach (var (name, value) in parameters) command.Parameters.AddWithValue(name, value ?? DBNull.Value);
        return command;
    }
}
