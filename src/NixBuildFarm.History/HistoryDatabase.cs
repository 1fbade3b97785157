using Microsoft.Data.Sqlite;
using NixBuildFarm.Errors;
using NixBuildFarm.Platform;

namespace NixBuildFarm.History;

/// <summary>
/// The file and the one connection to it. A file that is not ours, damaged or newer is refused before anything is written to it. Whatever
/// goes wrong comes out as a <see cref="HistoryException"/>.
/// </summary>
internal sealed class HistoryDatabase(string file, TimeSpan patience) : IDisposable
{
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly object gate = new();
    private SqliteConnection? open;
    private bool disposed;

    /// <summary>The file.</summary>
    public string File { get; } = Path.GetFullPath(file);

    /// <summary>Reads from one consistent state.</summary>
    public T Read<T>(Func<SqliteConnection, T> read) => Use(read);

    /// <summary>Writes everything or nothing.</summary>
    public void Write(Action<SqliteTransaction> write) => Use(connection =>
    {
        // Immediate: another writer is waited for here, where waiting works, and not in the middle.
        using var transaction = connection.BeginTransaction(deferred: false);
        write(transaction);
        transaction.Commit();
        return true;
    });

    /// <summary>Frees the space of deleted rows, so that they cannot be read from the file any more.</summary>
    public void Shrink() => Use(connection =>
    {
        connection.Execute("VACUUM; PRAGMA wal_checkpoint(TRUNCATE);");
        return true;
    });

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (gate)
        {
            disposed = true;
            open?.Dispose();
            open = null;
        }
    }

    private T Use<T>(Func<SqliteConnection, T> work)
    {
        lock (gate)
        {
            ObjectDisposedException.ThrowIf(disposed, this);
            try
            {
                open ??= Open();
                return work(open);
            }
            catch (Exception e) when (HistoryErrors.Concern(e))
            {
                throw HistoryErrors.Explain(e, File);
            }
        }
    }

    private SqliteConnection Open()
    {
        StateFolder.RequireOwn(StateFolder.Create(Path.GetDirectoryName(File)!), StateFolder.Variable);
        KeepPrivate();
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder
        {
            DataSource = File,
            Pooling = false,
            DefaultTimeout = Math.Max(1, (int)patience.TotalSeconds),
        }.ToString());
        try
        {
            connection.Open();
            Schema.Ensure(connection, File);
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    /// <summary>SQLite gives its other files the mode of the first one, which is private to the user.</summary>
    private void KeepPrivate()
    {
        if (!System.IO.File.Exists(File))
        {
            using var made = new FileStream(
                File,
                new FileStreamOptions
                {
                    Mode = FileMode.OpenOrCreate,
                    Access = FileAccess.Write,
                    Share = FileShare.ReadWrite,
                    UnixCreateMode = Private,
                });
            return;
        }
        var mode = System.IO.File.GetUnixFileMode(File);
        if ((mode & ~Private) != UnixFileMode.None) System.IO.File.SetUnixFileMode(File, mode & Private);
    }
}
