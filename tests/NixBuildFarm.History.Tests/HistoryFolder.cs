using Microsoft.Data.Sqlite;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.History.Tests;

/// <summary>A state folder of one test's own, gone after it.</summary>
public sealed class HistoryFolder : IDisposable
{
    private readonly List<SqliteHistory> open = [];

    public string Folder { get; } = Directory.CreateTempSubdirectory("nixbuildfarm-history-").FullName;

    public string File => Path.Combine(Folder, "state", "history.db");

    /// <summary>Opens the history as one process would.</summary>
    public SqliteHistory Open()
    {
        var history = new SqliteHistory(File, TimeSpan.FromSeconds(1));
        open.Add(history);
        return history;
    }

    /// <summary>Says something to the database behind the history's back.</summary>
    public object? Sql(string sql)
    {
        using var connection = Connect();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return command.ExecuteScalar();
    }

    /// <summary>Another program's connection.</summary>
    public SqliteConnection Connect()
    {
        Directory.CreateDirectory(Path.GetDirectoryName(File)!);
        var connection = new SqliteConnection($"Data Source={File};Pooling=False");
        connection.Open();
        return connection;
    }

    public void Dispose()
    {
        foreach (var history in open) history.Dispose();
        Directory.Delete(Folder, recursive: true);
    }
}

/// <summary>What a run may have seen.</summary>
internal static class Seen
{
    public static readonly DateTimeOffset Start = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    public static BuildObservation Build(string package, double seconds = 10, string system = "x86_64-linux", int minute = 0) => new()
    {
        Package = package,
        System = system,
        Builder = "ruby",
        Seconds = seconds,
        Cores = 3,
        EnableParallelBuilding = true,
        SpeedFactor = 1.5,
        OutputBytes = 123_456_789_012,
        At = Start.AddMinutes(minute),
    };

    public static TransferObservation Transfer(string builder, bool toBuilder = true, long bytes = 50_000_000, int minute = 0) =>
        new() { Builder = builder, ToBuilder = toBuilder, Bytes = bytes, Seconds = 2.5, At = Start.AddMinutes(minute) };

    public static BuilderTrouble Trouble(string builder, int openings = 3, int minute = 0) =>
        new() { Builder = builder, Openings = openings, Until = Start.AddMinutes(minute), Reason = "It is gone." };

    public static void Add(this SqliteHistory history, params BuildObservation[] builds) => history.Add(builds, []);

    public static IReadOnlyList<BuildObservation> Builds(this SqliteHistory history, params string[] packages) =>
        history.Builds(packages.ToHashSet());
}
