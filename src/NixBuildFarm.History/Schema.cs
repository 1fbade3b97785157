using Microsoft.Data.Sqlite;
using NixBuildFarm.Errors;

namespace NixBuildFarm.History;

/// <summary>The tables, and the version that says which they are.</summary>
internal static class Schema
{
    /// <summary>Counts up with each change of the tables; a change comes with the step from the version before.</summary>
    private const int Version = 5;

    /// <summary>Marks the file as ours: <c>NxBF</c>.</summary>
    private const int ApplicationId = 0x4e784246;

    private const string Tables = """
        CREATE TABLE build (
            id INTEGER PRIMARY KEY,
            package TEXT NOT NULL,
            system TEXT NOT NULL,
            builder TEXT NOT NULL,
            seconds REAL NOT NULL,
            cores INTEGER NOT NULL,
            parallel INTEGER NOT NULL,
            speed_factor REAL NOT NULL,
            output_bytes INTEGER NOT NULL,
            ended INTEGER NOT NULL
        ) STRICT;
        CREATE INDEX build_of_package ON build (package, system);

        CREATE TABLE transfer (
            id INTEGER PRIMARY KEY,
            builder TEXT NOT NULL,
            to_builder INTEGER NOT NULL,
            bytes INTEGER NOT NULL,
            seconds REAL NOT NULL,
            ended INTEGER NOT NULL
        ) STRICT;
        CREATE INDEX transfer_of_builder ON transfer (builder, to_builder);

        CREATE TABLE run (
            id TEXT PRIMARY KEY,
            started INTEGER NOT NULL,
            ended INTEGER NOT NULL,
            state TEXT NOT NULL,
            requested TEXT NOT NULL,
            jobs INTEGER NOT NULL,
            built INTEGER NOT NULL,
            not_done INTEGER NOT NULL,
            record BLOB NOT NULL
        ) STRICT;
        CREATE INDEX run_by_time ON run (started);

        CREATE TABLE result (
            run TEXT NOT NULL REFERENCES run (id) ON DELETE CASCADE,
            job INTEGER NOT NULL,
            name TEXT NOT NULL,
            builder TEXT,
            status TEXT NOT NULL,
            PRIMARY KEY (run, job)
        ) STRICT, WITHOUT ROWID;
        """;

    /// <summary>The additions of version 2.</summary>
    private const string Troubles = """
        CREATE TABLE trouble (
            builder TEXT PRIMARY KEY,
            openings INTEGER NOT NULL,
            until INTEGER NOT NULL,
            reason TEXT NOT NULL
        ) STRICT, WITHOUT ROWID;
        """;

    /// <summary>What version 3 has and version 2 has not: shared compiles.</summary>
    private const string Compiles = """
        ALTER TABLE build ADD COLUMN compiles INTEGER;
        ALTER TABLE build ADD COLUMN compiles_shared INTEGER;
        ALTER TABLE build ADD COLUMN compile_seconds REAL;
        ALTER TABLE build ADD COLUMN compile_saved REAL;

        CREATE TABLE memo (
            builder TEXT NOT NULL,
            path TEXT NOT NULL,
            bytes INTEGER NOT NULL,
            used INTEGER NOT NULL,
            PRIMARY KEY (builder, path)
        ) STRICT, WITHOUT ROWID;
        """;

    /// <summary>What version 4 has and version 3 has not: memory and processor time of builds.</summary>
    private const string Resources = """
        ALTER TABLE build ADD COLUMN peak_memory INTEGER;
        ALTER TABLE build ADD COLUMN processor_seconds REAL;
        ALTER TABLE build ADD COLUMN killed INTEGER NOT NULL DEFAULT 0;
        """;

    /// <summary>
    /// What version 5 has and version 4 has not: builds that others tell of, each once, and the parts of a build's time at which its phases
    /// begin.
    /// </summary>
    private const string Sources = """
        ALTER TABLE build ADD COLUMN source TEXT NOT NULL DEFAULT 'Run';
        ALTER TABLE build ADD COLUMN origin TEXT;
        ALTER TABLE build ADD COLUMN check_at REAL;
        ALTER TABLE build ADD COLUMN install_at REAL;
        CREATE UNIQUE INDEX build_of_origin ON build (source, builder, package, origin) WHERE origin IS NOT NULL;

        CREATE TABLE asked (
            source TEXT PRIMARY KEY,
            at INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        """;

    /// <summary>Makes the tables in an empty file, and those that an older one lacks; refuses a file that is not ours.</summary>
    /// <exception cref="HistoryException">It is newer than this program, or something else.</exception>
    public static void Ensure(SqliteConnection connection, string file)
    {
        if (VersionOf(connection, file) < Version)
        {
            connection.Execute("PRAGMA journal_mode = WAL");
            using var transaction = connection.BeginTransaction(deferred: false);
            // Another process may have been faster.
            var found = VersionOf(connection, file);
            if (found < 1) connection.Execute($"{Tables} PRAGMA application_id = {ApplicationId};");
            if (found < 2) connection.Execute(Troubles);
            if (found < 3) connection.Execute(Compiles);
            if (found < 4) connection.Execute(Resources);
            if (found < 5) connection.Execute(Sources);
            connection.Execute($"PRAGMA user_version = {Version}");
            transaction.Commit();
        }
        // After a crash of the machine the last runs may be missing; the file stays whole.
        connection.Execute("PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;");
    }

    /// <summary>Of an empty file: 0.</summary>
    private static long VersionOf(SqliteConnection connection, string file)
    {
        using var command = connection.CreateCommand();
        command.CommandText =
            "SELECT (SELECT user_version FROM pragma_user_version), (SELECT application_id FROM pragma_application_id), (SELECT count(*) "
                + "FROM sqlite_schema)";
        using var row = command.ExecuteReader();
        row.Read();
        var (version, application, objects) = (row.GetInt64(0), row.GetInt64(1), row.GetInt64(2));
        if (version == 0 && application == 0 && objects == 0) return 0;
        if (application != ApplicationId) throw HistoryErrors.Corrupt(file, "It is the database of another program.");
        if (version > Version)
        {
            throw new HistoryException(
                HistoryFailure.Newer,
                $"The history in {file} was made by a newer NixBuildFarm (version {version} of its tables; this one knows {Version}).",
                "Update NixBuildFarm, or move the file away to begin a new history.");
        }
        return version >= 1 ? version : throw HistoryErrors.Corrupt(file, $"Version {version} of its tables never existed.");
    }
}
