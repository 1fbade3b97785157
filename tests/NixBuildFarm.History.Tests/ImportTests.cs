using NixBuildFarm.Errors;
using NixBuildFarm.Scheduling;

namespace NixBuildFarm.History.Tests;

/// <summary>What others tell of builds is kept once, and never in place of what was seen.</summary>
public sealed class ImportTests : IDisposable
{
    private readonly HistoryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private static BuildObservation Told(string package, int minute = 0, EstimateSource source = EstimateSource.NixLog) =>
        Seen.Build(package, minute: minute) with { Source = source, Origin = $"{minute}" };

    [Fact]
    public void A_build_that_is_told_of_twice_counts_once()
    {
        using var history = folder.Open();

        Assert.Equal(2, history.Import([Told("gcc"), Told("llvm")]));
        Assert.Equal(1, history.Import([Told("gcc"), Told("llvm"), Told("gcc", minute: 5)]));

        Assert.Equal([Told("gcc"), Told("gcc", minute: 5)], history.Builds("gcc"));
        Assert.Equal([Told("llvm")], history.Builds("llvm"));
    }

    [Fact]
    public void A_build_that_was_seen_is_not_taken_over_from_others()
    {
        using var history = folder.Open();
        history.Add(Seen.Build("gcc"));

        Assert.Equal(0, history.Import([Told("gcc") with { At = Seen.Start.AddSeconds(1), Builder = "root@ruby" }]));
    }

    [Fact]
    public void What_others_tell_of_does_not_take_the_place_of_what_was_seen()
    {
        using var history = folder.Open();
        history.Add(Seen.Build("gcc", seconds: 77));

        Assert.InRange(history.Import([.. Enumerable.Range(1, 100).Select(minute => Told("gcc", minute))]), 1, 40);

        Assert.Contains(history.Builds("gcc"), build => build is { Seconds: 77, Source: EstimateSource.Run });
        Assert.InRange(history.Builds("gcc").Count, 2, 41);
        // What was too old to be kept is not new the next time.
        Assert.Equal(0, history.Import([.. Enumerable.Range(1, 100).Select(minute => Told("gcc", minute))]));
    }

    [Fact]
    public void Each_source_is_remembered_with_the_time_at_which_it_was_asked()
    {
        using (var first = folder.Open())
        {
            Assert.Null(first.AskedAt("logs of ruby"));
            first.SetAsked("logs of ruby", Seen.Start);
            first.SetAsked("logs of ruby", Seen.Start.AddDays(1));
        }
        using var history = folder.Open();

        Assert.Equal(Seen.Start.AddDays(1), history.AskedAt("logs of ruby"));
        Assert.Null(history.AskedAt("logs of kana"));
        history.RemoveObservations(null);
        Assert.Null(history.AskedAt("logs of ruby"));
    }

    [Fact]
    public void The_history_of_another_user_is_read_and_stays_as_it_is()
    {
        using var other = new HistoryFolder();
        using (var theirs = other.Open())
        {
            theirs.Add(Seen.Build("gcc"), Seen.Build("llvm") with { PeakMemory = 16_000_000_000, CheckAt = 0.5 });
            theirs.Import([Told("cmake")]);
        }
        var before = File.ReadAllBytes(other.File);
        using var history = folder.Open();

        Assert.Equal(2, history.Import(ForeignHistory.BuildsOf(other.File)));
        Assert.Equal(0, history.Import(ForeignHistory.BuildsOf(other.File)));

        var llvm = Assert.Single(history.Builds("llvm"));
        Assert.Equal((EstimateSource.OtherHistory, 16_000_000_000, 0.5), (llvm.Source, llvm.PeakMemory, llvm.CheckAt));
        Assert.Empty(history.Builds("cmake"));
        Assert.Equal(before, File.ReadAllBytes(other.File));
    }

    [Fact]
    public void Rows_of_another_user_that_make_no_sense_are_left_out()
    {
        using var other = new HistoryFolder();
        using (var theirs = other.Open())
        {
            theirs.Add(
                Seen.Build("gcc") with { Seconds = -1 }, Seen.Build("gcc") with { SpeedFactor = double.PositiveInfinity },
                Seen.Build("gcc") with { Cores = -3 }, Seen.Build(new string('a', 5000)), Seen.Build("gcc") with { Seconds = 1e12 },
                Seen.Build("gcc") with { OutputBytes = long.MaxValue }, Seen.Build("gcc") with { PeakMemory = long.MaxValue });
        }

        Assert.Empty(ForeignHistory.BuildsOf(other.File));
    }

    [Fact]
    public void A_file_that_is_no_history_is_refused()
    {
        var file = Path.Combine(folder.Folder, "other.txt");
        File.WriteAllText(file, "This is no database.");

        Assert.Throws<HistoryException>(() => ForeignHistory.BuildsOf(file));
        Assert.Throws<NixBuildFarmException>(() => ForeignHistory.BuildsOf(file + ".not-there"));
    }

    [Fact]
    public void What_a_log_tells_is_expected_of_a_package_that_was_never_built_here()
    {
        using var history = folder.Open();
        history.Import([Told("python3.13-frobnicate") with { Seconds = 300, SpeedFactor = 1 }]);
        var graph = new JobGraph(
            [new Job { Name = "python3.13-frobnicate-2.0", PackageName = "frobnicate", System = "x86_64-linux" }]);

        var estimate = Estimator.FromHistory(history, graph).For(graph[0]);

        Assert.Equal(EstimateSource.NixLog, estimate.Source);
        Assert.InRange(estimate.Seconds, 150, 400);
    }

    [Fact]
    public void A_row_that_is_no_build_does_not_keep_others_from_being_taken_over()
    {
        using var other = new HistoryFolder();
        using (var theirs = other.Open()) theirs.Add(Seen.Build("gcc"), Seen.Build("llvm"), Seen.Build("cmake"));
        other.Sql("UPDATE build SET cores = 99999999999 WHERE package = 'gcc'");
        other.Sql("UPDATE build SET ended = 9223372036854775807 WHERE package = 'llvm'");

        Assert.Equal("cmake", Assert.Single(ForeignHistory.BuildsOf(other.File)).Package);
    }

    [Fact]
    public void A_history_that_may_only_be_read_is_taken_over_with_what_is_in_its_log_alone()
    {
        using var other = new HistoryFolder();
        using var theirs = other.Open();
        theirs.Add(Seen.Build("gcc"));
        Assert.True(File.Exists(other.File + "-wal"));
        File.SetUnixFileMode(other.File, UnixFileMode.UserRead);

        Assert.Single(ForeignHistory.BuildsOf(other.File));
    }

    [Fact]
    public void A_build_that_was_seen_and_is_told_of_counts_once()
    {
        using var history = folder.Open();
        history.Add(Seen.Build("frobnicate", seconds: 300));
        var graph = new JobGraph([new Job { Name = "frobnicate-2.0", PackageName = "frobnicate", System = "x86_64-linux" }]);
        var again = Told("frobnicate", source: EstimateSource.NixOutputMonitor) with
        {
            Builder = "root@ruby", Seconds = 900, At = Seen.Start.AddSeconds(2),
        };

        Assert.Equal(
            Estimator.FromHistory(history, graph).For(graph[0]), Estimator.FromHistory(history, graph, [again]).For(graph[0]));
        Assert.NotEqual(
            Estimator.FromHistory(history, graph).For(graph[0]),
            Estimator.FromHistory(history, graph, [again with { At = Seen.Start.AddMinutes(-5) }]).For(graph[0]));
    }
}
