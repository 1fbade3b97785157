using NixBuildFarm.Errors;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.History.Tests;

/// <summary>The file: private, and refused rather than overwritten when it is not as it should be.</summary>
public sealed class HistoryFileTests : IDisposable
{
    private readonly HistoryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void It_is_private_to_the_user_with_all_that_SQLite_puts_beside_it()
    {
        using var history = folder.Open();
        history.Add(Seen.Build("gcc"));

        var files = Directory.GetFiles(Path.GetDirectoryName(folder.File)!);

        Assert.Equal(["history.db", "history.db-shm", "history.db-wal"], files.Select(Path.GetFileName).Order());
        Assert.All(files, file => Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file)));
        Assert.Equal(
            UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute,
            File.GetUnixFileMode(Path.GetDirectoryName(folder.File)!));
    }

    [Fact]
    public void One_that_others_could_read_is_made_private()
    {
        using (var first = folder.Open()) first.Add(Seen.Build("gcc"));
        File.SetUnixFileMode(folder.File, (UnixFileMode)0b110_110_100);

        using var again = folder.Open();

        Assert.Single(again.Builds("gcc"));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(folder.File));
    }

    [Fact]
    public void Nothing_is_touched_before_it_is_used()
    {
        using (folder.Open())
        {
        }

        Assert.False(Directory.Exists(Path.GetDirectoryName(folder.File)));
    }

    [Fact]
    public void One_that_is_no_database_is_an_error_that_names_it_and_stays_as_it_is()
    {
        Directory.CreateDirectory(Path.GetDirectoryName(folder.File)!);
        var content = string.Concat(Enumerable.Repeat("this is no database\n", 500));
        File.WriteAllText(folder.File, content);
        using var history = folder.Open();

        foreach (var use in Uses(history)) Refused(use, HistoryFailure.Corrupt);

        Assert.Equal(content, File.ReadAllText(folder.File));
        Assert.Equal([folder.File], Directory.GetFiles(Path.GetDirectoryName(folder.File)!));
    }

    [Fact]
    public void One_that_is_damaged_in_the_middle_is_an_error_that_names_it_and_stays_as_it_is()
    {
        using (var first = folder.Open()) first.Add([.. Enumerable.Range(0, 2000).Select(i => Seen.Build($"package{i}"))]);
        var bytes = File.ReadAllBytes(folder.File);
        Array.Fill(bytes, (byte)0xa5, 4096, bytes.Length - 4096);
        File.WriteAllBytes(folder.File, bytes);
        using var history = folder.Open();

        foreach (var use in Uses(history)) Refused(use, HistoryFailure.Corrupt);

        Assert.Equal(bytes, File.ReadAllBytes(folder.File));
    }

    [Fact]
    public void One_that_was_cut_short_is_an_error_that_names_it()
    {
        using (var first = folder.Open()) first.Add([.. Enumerable.Range(0, 2000).Select(i => Seen.Build($"package{i}"))]);
        using (var file = File.OpenWrite(folder.File)) file.SetLength(5000);
        using var history = folder.Open();

        Refused(() => history.Builds(Enumerable.Range(0, 2000).Select(i => $"package{i}").ToHashSet()), HistoryFailure.Corrupt);
    }

    [Fact]
    public void One_of_a_newer_version_is_an_error_that_names_it_and_stays_as_it_is()
    {
        using (var first = folder.Open()) first.Add(Seen.Build("gcc"));
        folder.Sql("PRAGMA user_version = 999");
        var before = File.ReadAllBytes(folder.File);
        using var history = folder.Open();

        foreach (var use in Uses(history)) Assert.Contains("Update NixBuildFarm", Refused(use, HistoryFailure.Newer).Recommendation);

        Assert.Equal(before, File.ReadAllBytes(folder.File));
    }

    /// <summary>Takes away what version 5 of the tables brought.</summary>
    private const string UndoVersion5 = """
        DROP INDEX build_of_origin;
        DROP TABLE asked;
        ALTER TABLE build DROP COLUMN source;
        ALTER TABLE build DROP COLUMN origin;
        ALTER TABLE build DROP COLUMN check_at;
        ALTER TABLE build DROP COLUMN install_at;
        """;

    /// <summary>Takes away what version 4 of the tables brought, and what came after it.</summary>
    private const string UndoVersion4 = $"""
        {UndoVersion5}
        ALTER TABLE build DROP COLUMN peak_memory;
        ALTER TABLE build DROP COLUMN processor_seconds;
        ALTER TABLE build DROP COLUMN killed;
        """;

    /// <summary>Takes away what version 3 of the tables brought, and what came after it.</summary>
    private const string UndoVersion3 = $"""
        {UndoVersion4}
        DROP TABLE memo;
        ALTER TABLE build DROP COLUMN compiles;
        ALTER TABLE build DROP COLUMN compiles_shared;
        ALTER TABLE build DROP COLUMN compile_seconds;
        ALTER TABLE build DROP COLUMN compile_saved;
        """;

    [Fact]
    public void One_of_the_time_before_shared_compiles_takes_them_in_and_keeps_what_it_has()
    {
        using (var first = folder.Open()) first.Add(Seen.Build("gcc"));
        folder.Sql($"{UndoVersion3} PRAGMA user_version = 2");
        using var history = folder.Open();
        var shared = Seen.Build("llvm") with { Compiles = new(300, 200, 900.5, 120.25) };

        history.Add(shared);
        history.Keep("ruby", [new("/nix/store/x", 7, DateTimeOffset.UnixEpoch)]);

        Assert.Equal([Seen.Build("gcc")], history.Builds("gcc"));
        Assert.Equal([shared], history.Builds("llvm"));
        Assert.Equal([new KeptCompile("/nix/store/x", 7, DateTimeOffset.UnixEpoch)], history.KeptCompiles("ruby"));
    }

    [Fact]
    public void One_of_the_time_before_memory_takes_it_in_and_keeps_what_it_has()
    {
        using (var first = folder.Open()) first.Add(Seen.Build("gcc"));
        folder.Sql($"{UndoVersion4} PRAGMA user_version = 3");
        using var history = folder.Open();
        var seen = Seen.Build("llvm") with { PeakMemory = 16_100_000_000, ProcessorSeconds = 3456.7 };

        history.Add(seen);

        Assert.Equal([Seen.Build("gcc")], history.Builds("gcc"));
        Assert.Equal([seen], history.Builds("llvm"));
    }

    [Fact]
    public void One_of_the_time_before_other_sources_takes_them_in_and_keeps_what_it_has()
    {
        using (var first = folder.Open()) first.Add(Seen.Build("gcc"));
        folder.Sql($"{UndoVersion5} PRAGMA user_version = 4");
        using var history = folder.Open();
        var told = Seen.Build("llvm") with { Source = EstimateSource.NixLog, Origin = "a" };
        var seen = Seen.Build("cmake") with { CheckAt = 0.7, InstallAt = 0.95 };

        history.Import([told]);
        history.Add(seen);

        Assert.Equal([Seen.Build("gcc")], history.Builds("gcc"));
        Assert.Equal([told], history.Builds("llvm"));
        Assert.Equal([seen], history.Builds("cmake"));
    }

    [Fact]
    public void One_of_the_version_before_gets_what_it_lacks_and_keeps_what_it_has()
    {
        using (var first = folder.Open()) first.Add(Seen.Build("gcc"));
        folder.Sql($"{UndoVersion3} DROP TABLE trouble; PRAGMA user_version = 1");
        using var history = folder.Open();

        history.Add([Seen.Trouble("ruby")]);

        Assert.Single(history.Builds("gcc"));
        Assert.Single(history.Troubles());
    }

    [Fact]
    public void The_database_of_another_program_is_refused_and_stays_as_it_is()
    {
        folder.Sql("CREATE TABLE bookmarks (url TEXT)");
        var before = File.ReadAllBytes(folder.File);
        using var history = folder.Open();

        foreach (var use in Uses(history)) Refused(use, HistoryFailure.Corrupt);

        Assert.Equal(before, File.ReadAllBytes(folder.File));
    }

    [Fact]
    public void One_whose_tables_are_gone_is_an_error_that_names_it()
    {
        using (var first = folder.Open()) first.Add(Seen.Build("gcc"));
        folder.Sql("DROP TABLE build; DROP TABLE transfer; DROP TABLE trouble");
        using var history = folder.Open();

        foreach (var use in Uses(history)) Refused(use, HistoryFailure.Corrupt);
    }

    [Fact]
    public void One_that_is_locked_can_be_used_again_when_it_no_longer_is()
    {
        using var history = folder.Open();
        history.Add(Seen.Build("before"));
        using (var other = folder.Connect())
        {
            using var writing = other.BeginTransaction(deferred: false);

            var error = Refused(() => history.Add(Seen.Build("during")), HistoryFailure.Unavailable);

            Assert.Contains("locked", error.Message);
            Assert.True(error.IsLocked);
            Assert.Single(history.Builds("before"));
        }

        history.Add(Seen.Build("after"));
        Assert.Equal(["before", "after"], history.Builds("before", "during", "after").Select(b => b.Package));
    }

    [Fact]
    public void Observations_are_written_as_a_whole_or_not_at_all()
    {
        using var history = folder.Open();
        history.Add(Seen.Build("before"));
        folder.Sql("DROP TABLE transfer");

        Refused(() => history.Add([Seen.Build("during")], [Seen.Transfer("ruby")]), HistoryFailure.Corrupt);

        Assert.Empty(history.Builds("during"));
    }

    [Fact]
    public void A_folder_that_cannot_be_made_is_an_error_that_names_the_file()
    {
        File.WriteAllText(Path.Combine(folder.Folder, "state"), "a file where the folder should be");
        using var history = folder.Open();

        foreach (var use in Uses(history)) Refused(use, HistoryFailure.Unavailable);
    }

    [Fact]
    public void A_read_only_folder_is_an_error_that_names_the_file()
    {
        // Not even root may write there.
        using var history = new SqliteHistory("/proc/nixbuildfarm/history.db");

        var error = Assert.Throws<HistoryException>(() => history.Builds("gcc"));

        Assert.Equal(HistoryFailure.Unavailable, error.Failure);
        Assert.Contains("/proc/nixbuildfarm/history.db", error.Message);
    }

    [Fact]
    public void One_in_a_folder_that_everybody_may_write_to_is_refused_with_what_to_do()
    {
        var state = Directory.CreateDirectory(Path.GetDirectoryName(folder.File)!).FullName;
        File.SetUnixFileMode(state, File.GetUnixFileMode(state) | UnixFileMode.OtherWrite);
        using var history = folder.Open();

        foreach (var use in Uses(history))
        {
            Assert.Contains($"chmod go-w '{state}'", Refused(use, HistoryFailure.Unavailable).Recommendation);
        }
        Assert.Empty(Directory.GetFiles(state));
    }

    private static IEnumerable<Action> Uses(SqliteHistory history) =>
    [
        () => history.Builds("gcc"),
        () => history.Transfers(),
        () => history.Troubles(),
        () => history.Add([Seen.Build("gcc")], [Seen.Transfer("ruby")]),
    ];

    private HistoryException Refused(Action use, HistoryFailure failure)
    {
        var error = Assert.Throws<HistoryException>(use);
        Assert.Equal(failure, error.Failure);
        Assert.Contains(folder.File, error.Message);
        Assert.NotEmpty(error.Recommendation!);
        return error;
    }
}
