using NixBuildFarm.History;
using NixBuildFarm.Store;

namespace NixBuildFarm.Core.Tests.History;

/// <summary>Logs are found by name, by derivation and by run.</summary>
public sealed class LogArchiveTests : IDisposable
{
    private const string Hash = "00000000000000000000000000000000";

    // The archive lies two folders deep in what is this test's own: nothing that goes wrong in it reaches further.
    private readonly string own = Directory.CreateTempSubdirectory("nixbuildfarm-archive-").FullName;
    private readonly string folder;

    public LogArchiveTests() => folder = Directory.CreateDirectory(Path.Combine(own, "state", "logs")).FullName;

    public void Dispose() => Directory.Delete(own, recursive: true);

    private LogArchive Archive => new(NoHistory.Instance, folder);

    [Fact]
    public void A_name_means_the_newest_run_that_has_it()
    {
        Write("20260101-000000-aaaa", "hello-2.12", "gcc-14.3.0");
        Write("20260102-000000-aaaa", "hello-2.12");
        Write("20260103-000000-aaaa", "zlib-1.3");

        Assert.Equal("20260102-000000-aaaa", Assert.Single(Archive.Named("hello-2.12")).RunId);
        Assert.Equal("20260101-000000-aaaa", Assert.Single(Archive.Named("GCC-*")).RunId);
        Assert.Equal("20260101-000000-aaaa", Assert.Single(Archive.Named("hello-2.12", run: "20260101")).RunId);
        Assert.Empty(Archive.Named("hello"));
        Assert.Empty(Archive.Named("hello-2.12", run: "2027"));
    }

    [Fact]
    public void Wildcards_mean_all_that_they_fit_in_one_run()
    {
        Write("20260101-000000-aaaa", "old");
        Write("20260102-000000-aaaa", "b", "a-1");

        Assert.Equal(["a-1", "b"], Archive.Named("*").Select(log => log.Name));
    }

    [Fact]
    public void A_derivation_means_its_own_log_not_that_of_its_name()
    {
        Write("20260101-000000-aaaa", "hello-2.12");

        Assert.Single(Archive.Of(StorePath.Parse($"/nix/store/{Hash}-hello-2.12.drv")));
        Assert.Empty(Archive.Of(StorePath.Parse($"/nix/store/{Hash.Replace('0', '1')}-hello-2.12.drv")));
    }

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("..")]
    [InlineData("../beside")]
    [InlineData("one/..")]
    [InlineData("/")]
    [InlineData("*")]
    public void An_id_that_is_no_folder_s_name_deletes_nothing(string id)
    {
        Write("one", "a");
        Directory.CreateDirectory(Path.Combine(own, "state", "beside"));

        Archive.Delete([id]);

        Assert.Single(Archive.Named("a"));
        Assert.Equal(["beside", "logs"], Directory.GetDirectories(Path.Combine(own, "state")).Select(Path.GetFileName).Order());
    }

    [Fact]
    public void The_logs_of_a_run_are_deleted_and_those_of_others_stay()
    {
        Write("one", "a");
        Write("two", "a");

        Archive.Delete(["one", "gone"]);

        Assert.Equal(["two"], Directory.GetDirectories(folder).Select(Path.GetFileName));
    }

    [Fact]
    public void A_run_that_nobody_knows_is_abandoned_when_nothing_has_been_written_for_long()
    {
        Write("silent", "a");
        Write("alive", "a");
        foreach (var path in Directory.GetFiles(Path.Combine(folder, "silent")).Append(Path.Combine(folder, "silent")))
        {
            File.SetLastWriteTimeUtc(path, DateTime.UtcNow.AddDays(-2));
        }

        Assert.Equal(["silent"], Archive.AbandonedBefore(DateTimeOffset.UtcNow.AddDays(-1)));
    }

    private void Write(string run, params string[] names)
    {
        foreach (var name in names)
        {
            Directory.CreateDirectory(Path.Combine(folder, run));
            File.WriteAllText(Path.Combine(folder, run, $"{Hash}-{name}.log"), name);
        }
    }
}
