using NixBuildFarm.Logs;

namespace NixBuildFarm.Core.Tests.Logs;

public sealed class LogFoldersTests : IDisposable
{
    private static readonly DateTimeOffset Now = DateTimeOffset.UtcNow;
    private readonly string root = Directory.CreateTempSubdirectory("nixbuildfarm-logs-").FullName;

    public void Dispose() => Directory.Delete(root, recursive: true);

    [Fact]
    public void The_logs_of_forgotten_runs_go()
    {
        Add("20250101-000000-00aa", days: 30);
        Add("20250102-000000-00ab", days: 30);

        LogFolders.Prune(root, new HashSet<string> { "20250102-000000-00ab" }, Now);

        Assert.Equal(["20250102-000000-00ab"], Directory.GetDirectories(root).Select(Path.GetFileName));
    }

    [Fact]
    public void A_recently_written_folder_stays_since_its_run_may_be_under_way()
    {
        Add("20250101-000000-00aa", days: 1);

        LogFolders.Prune(root, new HashSet<string>(), Now);

        Assert.Single(Directory.GetDirectories(root));
    }

    [Theory]
    [InlineData("mine")]
    [InlineData("20250101-000000-00aa.old")]
    [InlineData("20250101-000000-ZZZZ")]
    public void A_folder_that_is_not_named_like_a_run_stays(string name)
    {
        Add(name, days: 30);

        LogFolders.Prune(root, new HashSet<string>(), Now);

        Assert.Single(Directory.GetDirectories(root));
    }

    [Fact]
    public void A_missing_folder_is_ignored() =>
        LogFolders.Prune(Path.Combine(root, "none"), new HashSet<string>(), Now);

    private void Add(string name, int days)
    {
        var folder = Directory.CreateDirectory(Path.Combine(root, name)).FullName;
        File.WriteAllText(Path.Combine(folder, "a.log"), "");
        File.SetLastWriteTimeUtc(Path.Combine(folder, "a.log"), Now.UtcDateTime.AddDays(-days));
        Directory.SetLastWriteTimeUtc(folder, Now.UtcDateTime.AddDays(-days));
    }
}
