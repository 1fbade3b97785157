using System.Text.Json;
using System.Text.Json.Serialization;
using NixBuildFarm.Errors;
using NixBuildFarm.Scheduling;
using NixBuildFarm.Scheduling.Playing;

namespace NixBuildFarm.History.Tests;

/// <summary>Runs are kept whole, found again, and forgotten in time.</summary>
public sealed class RunRecordTests : IDisposable
{
    private static readonly JsonSerializerOptions Comparable = new()
    {
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
    };
    private readonly HistoryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void A_run_is_read_as_it_was()
    {
        using (var first = folder.Open()) first.Add(Recorded.Run("one"));
        using var second = folder.Open();

        Assert.Equal(Text(Recorded.Run("one")), Text(second.Run("one")));
    }

    [Fact]
    public void A_run_that_ended_before_anything_was_known_is_kept_too()
    {
        using var history = folder.Open();
        var run = Recorded.Run("none") with { State = RunState.Failed, Error = "The local daemon does not answer.", Farm = [], Jobs = [] };

        history.Add(run);

        Assert.Equal(Text(run), Text(history.Run("none")));
    }

    [Fact]
    public void The_results_of_a_past_run_say_what_memory_and_processor_time_builds_took()
    {
        using var history = folder.Open();
        var run = Recorded.Run("one");
        history.Add(run with { Jobs = [run.Jobs[0], run.Jobs[1] with { PeakMemory = null, ProcessorSeconds = null }] });

        var results = history.Run("one")!.ToResults(logLines: 0).ToArray();

        Assert.Equal((3_000_000_000, TimeSpan.FromSeconds(40.5)), (results[0].PeakMemory, results[0].ProcessorTime));
        Assert.Equal((null, null), (results[1].PeakMemory, results[1].ProcessorTime));
    }

    [Fact]
    public void A_run_can_be_played_again()
    {
        using var history = folder.Open();
        history.Add(Recorded.Run("one"));

        var run = history.Run("one")!;
        var graph = new JobGraph([.. run.Jobs.Select(job => job.Job)]);
        var seconds = run.Jobs.Select(job => job.Seconds).ToArray();
        var played = new FarmSimulator(
            new Scheduler(graph, run.Farm, [.. seconds.Select(s => new Estimate(s, 0, 0))]),
            new GraphDurations(seconds, [.. run.Jobs.Select(job => job.OutputBytes)])).Run();

        Assert.Equal(0, played.NotDone);
        Assert.True(played.Makespan >= played.Bound.Seconds);
    }

    [Fact]
    public void A_run_is_found_by_the_beginning_of_its_id()
    {
        using var history = folder.Open();
        foreach (var id in new[] { "20260301-a", "20260301-b", "20260302-a" }) history.Add(Recorded.Run(id));

        Assert.Equal("20260302-a", history.Run("20260302")?.Id);
        Assert.Equal("20260301-b", history.Run("20260301-b")?.Id);
        Assert.Null(history.Run("2027"));
        Assert.Null(history.Run("%"));
        var error = Assert.Throws<NixBuildFarmException>(() => history.Run("20260301"));
        Assert.Equal("AmbiguousRun", error.Id);
        Assert.Contains("20260301-a, 20260301-b", error.Message);
    }

    [Fact]
    public void An_id_that_is_the_beginning_of_another_is_that_run()
    {
        using var history = folder.Open();
        history.Add(Recorded.Run("run"));
        history.Add(Recorded.Run("run-2"));

        Assert.Equal("run", history.Run("run")?.Id);
    }

    [Fact]
    public void A_run_goes_on_as_long_as_the_history_that_keeps_it_and_is_interrupted_from_then_on()
    {
        using var other = folder.Open();
        using (var own = folder.Open())
        {
            own.Add(Recorded.Run("one") with { State = RunState.Running });
            Assert.All([own, other], history => Assert.Equal(RunState.Running, Assert.Single(history.Runs(new())).State));
            Assert.Equal(RunState.Running, other.Run("one")?.State);
        }

        var run = other.Run("one")!;

        Assert.Equal(RunState.Interrupted, run.State);
        Assert.Contains("process", run.Error);
        Assert.Equal(RunState.Interrupted, Assert.Single(other.Runs(new())).State);
    }

    [Fact]
    public void A_run_that_ends_is_what_it_has_come_to_and_leaves_no_lock()
    {
        using var history = folder.Open();
        history.Add(Recorded.Run("one") with { State = RunState.Running });

        history.Add(Recorded.Run("one") with { State = RunState.Succeeded });

        Assert.Equal(RunState.Succeeded, Assert.Single(history.Runs(new())).State);
        Assert.Empty(Directory.GetFiles(Path.Combine(Path.GetDirectoryName(folder.File)!, "running")));
    }

    [Fact]
    public async Task A_run_that_ends_while_somebody_looks_never_seems_interrupted()
    {
        using var own = folder.Open();
        using var other = folder.Open();
        Assert.Empty(other.Runs(new()));
        var seen = new HashSet<RunState>();
        var newest = 0;
        var ending = Task.Run(
            () =>
            {
                for (; newest < 200; newest++)
                {
                    own.Add(Recorded.Run($"{newest:d3}") with { State = RunState.Running });
                    own.Add(Recorded.Run($"{newest:d3}") with { State = RunState.Succeeded });
                }
            },
            TestContext.Current.CancellationToken);

        while (!ending.IsCompleted)
        {
            if (other.Run($"{Volatile.Read(ref newest):d3}") is { } run) seen.Add(run.State);
            seen.UnionWith(other.Runs(new() { Newest = 2 }).Select(one => one.State));
        }
        await ending;

        Assert.DoesNotContain(RunState.Interrupted, seen);
    }

    [Fact]
    public void Runs_that_go_on_and_those_that_were_interrupted_are_chosen_apart()
    {
        using var history = folder.Open();
        using (var killed = folder.Open())
        {
            for (var i = 0; i < 3; i++) killed.Add(Recorded.Run($"killed{i}", minute: i) with { State = RunState.Running });
        }
        history.Add(Recorded.Run("alive", minute: 5) with { State = RunState.Running });
        history.Add(Recorded.Run("done", minute: 6) with { State = RunState.Succeeded });

        Assert.Equal(["alive"], history.Runs(new() { State = RunState.Running }).Select(run => run.RunId));
        Assert.Equal(["killed2", "killed1"], history.Runs(new() { State = RunState.Interrupted, Newest = 2 }).Select(run => run.RunId));
        Assert.Equal(5, history.Runs(new()).Count);
    }

    [Theory]
    [InlineData("..")]
    [InlineData("../history.db")]
    [InlineData("/etc/passwd")]
    public void An_id_that_somebody_has_written_into_the_file_leads_nowhere(string id)
    {
        using var history = folder.Open();

        history.Add(Recorded.Run(id) with { State = RunState.Running });

        Assert.Equal(RunState.Interrupted, Assert.Single(history.Runs(new())).State);
    }

    [Fact]
    public void A_job_that_was_already_valid_is_kept_with_its_outputs()
    {
        using var history = folder.Open();
        var outputs = new Dictionary<string, string>
        {
            ["out"] = "/nix/store/00000000000000000000000000000000-hello",
            ["dev"] = "/nix/store/00000000000000000000000000000000-hello-dev",
        };
        history.Add(
            Recorded.Run("one") with
            {
                Jobs = [Recorded.Job("hello", "local") with { Status = NixBuildStatus.AlreadyValid, Outputs = outputs }],
            });

        Assert.Equal(outputs, Assert.Single(history.Run("one")!.ToResults(logLines: 0)).Outputs);
    }

    [Fact]
    public void Runs_are_listed_newest_first_with_their_counts()
    {
        using var history = folder.Open();
        for (var i = 0; i < 3; i++) history.Add(Recorded.Run($"run{i}", minute: i));

        var runs = history.Runs(new());

        Assert.Equal(["run2", "run1", "run0"], runs.Select(run => run.RunId));
        Assert.Equal(
            (RunState.Failed, Seen.Start.AddMinutes(2), TimeSpan.FromMinutes(1), 4, 2, 1),
            (runs[0].State, runs[0].Started, runs[0].Duration, runs[0].Derivations, runs[0].Built, runs[0].NotDone));
        Assert.Equal(["nixpkgs#hello", ".#top"], runs[0].Requested);
    }

    public static TheoryData<RunFilter, string> Filters => new()
    {
        { new(), "d c b a" },
        { new() { Newest = 2 }, "d c" },
        { new() { State = RunState.Stopped }, "c" },
        { new() { After = Seen.Start.AddMinutes(3) }, "d c" },
        { new() { Before = Seen.Start.AddMinutes(3) }, "b a" },
        { new() { Name = "gcc-14.3.0" }, "c a" },
        { new() { Name = "GCC*" }, "c a" },
        { new() { Name = "gcc" }, "" },
        { new() { Name = "odd[1]?x" }, "d" },
        { new() { Builder = "kana" }, "c b" },
        { new() { Builder = "k*", Name = "gcc*" }, "c" },
        { new() { Status = NixBuildStatus.Failed }, "b" },
        { new() { Status = NixBuildStatus.Failed, Name = "gcc*" }, "" },
        { new() { Name = "*", State = RunState.Succeeded, Newest = 1 }, "d" },
    };

    [Theory]
    [MemberData(nameof(Filters))]
    public void Runs_are_chosen_by_what_is_known_of_them(RunFilter filter, string expected)
    {
        using var history = folder.Open();
        history.Add(Recorded.Run("a", minute: 1) with { State = RunState.Succeeded, Jobs = [Recorded.Job("gcc-14.3.0", "ruby")] });
        history.Add(
            Recorded.Run("b", minute: 2) with
            {
                State = RunState.Failed,
                Jobs = [Recorded.Job("llvm-19", "kana") with { Status = NixBuildStatus.Failed }],
            });
        history.Add(
            Recorded.Run("c", minute: 3) with
            {
                State = RunState.Stopped,
                Jobs = [Recorded.Job("llvm-19", "ruby"), Recorded.Job("gcc-14.3.0", "Kana")],
            });
        history.Add(Recorded.Run("d", minute: 4) with { State = RunState.Succeeded, Jobs = [Recorded.Job("odd[1]-x", null)] });

        Assert.Equal(expected, string.Join(' ', history.Runs(filter).Select(run => run.RunId)));
    }

    [Fact]
    public void A_run_that_is_added_again_replaces_itself()
    {
        using var history = folder.Open();
        history.Add(Recorded.Run("one"));
        history.Add(Recorded.Run("one") with { Jobs = [] });

        Assert.Equal(0, Assert.Single(history.Runs(new())).Derivations);
        Assert.Equal(0L, folder.Sql("SELECT count(*) FROM result"));
    }

    [Fact]
    public void Runs_older_than_three_months_are_forgotten_with_all_that_belongs_to_them()
    {
        using var history = folder.Open();
        history.Add(Recorded.Run("old"));
        history.Add(Recorded.Run("new", minute: 91 * 24 * 60));

        Assert.Equal(["new"], history.Runs(new()).Select(run => run.RunId));
        Assert.Equal(4L, folder.Sql("SELECT count(*) FROM result"));
    }

    [Fact]
    public void Of_very_many_runs_the_newest_thousand_are_kept()
    {
        using var history = folder.Open();
        history.Add(Recorded.Run("first"));
        folder.Sql("""
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200)
            INSERT INTO run SELECT 'run' || i, started + i, ended + i, state, requested, jobs, built, not_done, record FROM run, n
            """);

        history.Add(Recorded.Run("last", minute: 60));

        var runs = history.Runs(new());
        Assert.Equal(1000, runs.Count);
        Assert.Equal(["last", "run1200", "run1199"], runs.Take(3).Select(run => run.RunId));
    }

    [Fact]
    public void Very_large_runs_push_out_older_ones_earlier_but_never_themselves()
    {
        using var history = folder.Open();
        for (var i = 0; i < 3; i++) history.Add(Recorded.Run($"run{i}", minute: i));
        folder.Sql("UPDATE run SET jobs = 400000");
        history.Add(Recorded.Run("last", minute: 60));
        Assert.Equal(["last", "run2"], history.Runs(new()).Select(run => run.RunId));

        folder.Sql("UPDATE run SET jobs = 600000");
        history.Add(Recorded.Run("latest", minute: 61));
        Assert.Equal(["latest"], history.Runs(new()).Select(run => run.RunId));
    }

    [Fact]
    public void A_run_that_is_removed_is_gone_from_the_file_and_the_others_stay()
    {
        using var history = folder.Open();
        foreach (var id in new[] { "one", "two", "three" }) history.Add(Recorded.Run(id) with { Requested = [$"asked-for-{id}"] });

        history.RemoveRuns(["one", "three", "gone"]);

        Assert.Equal(["two"], history.Runs(new()).Select(run => run.RunId));
        Assert.Equal(4L, folder.Sql("SELECT count(*) FROM result"));
        var bytes = System.Text.Encoding.Latin1.GetString(File.ReadAllBytes(folder.File));
        Assert.Contains("asked-for-two", bytes);
        Assert.DoesNotContain("asked-for-one", bytes);
    }

    [Theory]
    [InlineData("x'00'")]
    [InlineData("x''")]
    [InlineData("x'1f8b0800000000000003abae0500436d03a302000000'")]
    [InlineData("randomblob(2000)")]
    [InlineData("substr(record, 1, 100)")]
    public void A_record_that_is_damaged_is_an_error_that_names_the_file(string blob)
    {
        using var history = folder.Open();
        history.Add(Recorded.Run("one"));
        folder.Sql($"UPDATE run SET record = {blob}");

        var error = Assert.Throws<HistoryException>(() => history.Run("one"));

        Assert.Equal(HistoryFailure.Corrupt, error.Failure);
        Assert.Contains(folder.File, error.Message);
    }

    [Fact]
    public void A_property_that_a_later_version_adds_to_a_record_is_skipped()
    {
        var packed = RunRecordFormat.Pack(Recorded.Run("one"));
        using var json = new StreamReader(
            new System.IO.Compression.GZipStream(new MemoryStream(packed), System.IO.Compression.CompressionMode.Decompress));
        var later = json.ReadToEnd().Replace("{\"id\"", "{\"mood\":{\"a\":[1]},\"id\"", StringComparison.Ordinal);
        using var repacked = new MemoryStream();
        using (var gzip = new System.IO.Compression.GZipStream(repacked, System.IO.Compression.CompressionLevel.Fastest))
        {
            gzip.Write(System.Text.Encoding.UTF8.GetBytes(later));
        }

        Assert.Contains("mood", later);
        Assert.Equal(Text(Recorded.Run("one")), Text(RunRecordFormat.Unpack(repacked.ToArray())));
    }

    private static string Text(RunRecord? run) => JsonSerializer.Serialize(run, Comparable);
}
