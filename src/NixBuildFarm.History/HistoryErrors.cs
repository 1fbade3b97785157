using System.Text.Json;
using Microsoft.Data.Sqlite;
using NixBuildFarm.Errors;

namespace NixBuildFarm.History;

/// <summary>The errors of the history, with recommendations.</summary>
internal static class HistoryErrors
{
    // Result codes: https://www.sqlite.org/rescode.html
    private const int Busy = 5, Locked = 6, ReadOnly = 8, InputOutput = 10, DamagedImage = 11, Full = 13, CannotOpen = 14,
    NotADatabase = 26;

    /// <summary>A file that cannot be used, and is left as it is.</summary>
    public static HistoryException Corrupt(string file, string why, Exception? inner = null) => new(
        HistoryFailure.Corrupt,
        $"The history in {file} cannot be used. {why}",
        "Move the file away to begin a new history, or bring back a copy of it; it is not overwritten.",
        inner);

    /// <summary>Whether an exception concerns the file, SQLite or the stored data, rather than a mistake of ours.</summary>
    public static bool Concern(Exception error) =>
        error is SqliteException or NixBuildFarmException { Id: "UnsafeFolder" } or IOException or UnauthorizedAccessException
            || IsAboutLoading(error) || IsAboutContents(error);

    /// <summary>Such an exception as an error for the user.</summary>
    public static HistoryException Explain(Exception error, string file) => error switch
    {
        SqliteException e => Explain(e, file),
        NixBuildFarmException e => Unavailable(file, e.Message, e.Recommendation!, e),
        _ when IsAboutLoading(error) => Unavailable(
            file, $"SQLite cannot be loaded: {error.GetBaseException().Message}",
            "Check that the module's folder deps/ is complete and made for this machine.", error),
        _ when IsAboutContents(error) => Corrupt(file, $"It has contents that were never written: {error.Message}", error),
        UnauthorizedAccessException =>
            Unavailable(
                file,
                "This user may not write there.",
                $"Make {Path.GetDirectoryName(file)} writable for this user, or set XDG_STATE_HOME.",
                error),
        _ => Unavailable(file, error.Message, "Set XDG_STATE_HOME to a folder that this user can write to.", error),
    };

    private static bool IsAboutLoading(Exception error) =>
        error is TypeInitializationException or DllNotFoundException or BadImageFormatException or FileNotFoundException;

    /// <summary>Whether a row has values that were never written there.</summary>
    public static bool IsAboutContents(Exception error) =>
        error is InvalidCastException or FormatException or ArgumentOutOfRangeException or OverflowException or JsonException
            or InvalidDataException;

    private static HistoryException Explain(SqliteException error, string file) => error.SqliteErrorCode switch
    {
        DamagedImage or NotADatabase => Corrupt(file, "It is damaged, or no database of SQLite.", error),
        Busy or Locked => Unavailable(file, "Another program keeps it locked.", "See which one with: fuser " + file, error, isLocked: true),
        ReadOnly or CannotOpen =>
            Unavailable(
                file,
                "This user may not write to it.",
                "Make the file and its folder writable for this user, or set XDG_STATE_HOME.",
                error),
        Full => Unavailable(file, "The disk is full.", $"Make room in {Path.GetDirectoryName(file)}.", error),
        InputOutput =>
            Unavailable(
                file,
                "The disk reports an error.",
                $"Check the disk that {Path.GetDirectoryName(file)} is on, and the room that is left there.",
                error),
        // All that we say to SQLite is right for our own tables.
        _ => Corrupt(file, $"Its tables are malformed: {error.Message}", error),
    };

    private static HistoryException Unavailable(string file, string why, string recommendation, Exception inner, bool isLocked = false) =>
        new(HistoryFailure.Unavailable, $"The history in {file} cannot be used now. {why}", recommendation, inner) { IsLocked = isLocked };
}
