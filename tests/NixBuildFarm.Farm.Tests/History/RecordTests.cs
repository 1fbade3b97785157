using System.IO.Compression;
using System.Text.Json;
using NixBuildFarm.Farm.Tests.Builds;

namespace NixBuildFarm.Farm.Tests.History;

/// <summary>A run is kept as it was, however it ended.</summary>
public sealed class RecordTests : IDisposable
{
    private readonly BuildSession session = new();

    public void Dispose() => session.Dispose();

    [Fact]
    public void A_run_is_kept_with_its_farm_its_jobs_and_what_became_of_each()
    {
        session.Write(
            "some", """package "top" "sleep 1; cat $inputs > $out" [ (attrs { pname = "bottom"; } "bottom-1.2" (sleep 1) [ ]) ]""");

        var build = session.Run("Get-NixBuilder ruby, kana | Invoke-NixDistributedBuild -Path some.nix").Succeeded();

        var run = Latest();
        Assert.Equal("Succeeded", run.GetProperty("state").GetString());
        Assert.Equal(["some.nix"], run.GetProperty("requested").EnumerateArray().Select(text => text.GetString()));
        Assert.Equal(
            ["kana", "ruby"], run.GetProperty("farm").EnumerateArray().Select(builder => builder.GetProperty("name").GetString()).Order());
        var jobs = run.GetProperty("jobs").EnumerateArray().ToArray();
        Assert.Equal(["bottom-1.2", "top"], jobs.Select(Name));
        Assert.Equal([0], jobs[1].GetProperty("job").GetProperty("dependencies").EnumerateArray().Select(index => index.GetInt32()));
        Assert.Equal("bottom", jobs[0].GetProperty("job").GetProperty("packageName").GetString());
        foreach (var job in jobs)
        {
            var result = build[Name(job)!];
            Assert.Equal(
                (result.Status, result.Builder, result.Derivation, result.LogPath),
                (Text(job, "status"), Text(job, "builder"), Text(job, "derivationPath"), Text(job, "logPath")));
            Assert.InRange(Number(job, "seconds"), 1, 60);
            Assert.InRange(Number(job, "outputBytes"), 100, 1000);
            Assert.True(Number(job, "supplyStart") <= Number(job, "start"));
        }
        Assert.True(Number(jobs[0], "start") + Number(jobs[0], "seconds") <= Number(jobs[1], "start"));
        Assert.True(Number(jobs[1], "start") + Number(jobs[1], "seconds") <= Length(run));
        Assert.Equal(
            ["bottom-1.2 Built", "top Built"],
            HistoryFile.Texts(session.HistoryFile, "SELECT name || ' ' || status FROM result ORDER BY name"));
    }

    [Fact]
    public void The_second_time_a_build_is_expected_to_take_what_it_took()
    {
        const string Graph = """
            package "top" "cat $inputs > $out" (map (seconds: attrs { pname = "takes${toString seconds}"; } "takes${toString seconds}-1" (sleep seconds) [ ]) [ 1 4 ])
            """;
        session.Write("timed", Graph);
        session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path timed.nix").Succeeded();
        session.Write("timed", Graph);
        session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path timed.nix").Succeeded();

        var jobs = Latest().GetProperty("jobs").EnumerateArray().Where(job => Name(job) != "top").ToArray();

        Assert.Equal(2, jobs.Length);
        Assert.All(jobs, job => Assert.InRange(Number(job, "expectedSeconds") / Number(job, "seconds"), 0.5, 2));
    }

    [Fact]
    public void A_run_that_failed_is_kept_with_what_failed_and_what_therefore_was_not_tried()
    {
        session.Write("broken", """[ (package "top" "cat $inputs" [ (package "bad" "exit 3" [ ]) ]) (package "good" (sleep 0) [ ]) ]""");

        session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path broken.nix -KeepGoing");

        var run = Latest();
        Assert.Equal("Failed", run.GetProperty("state").GetString());
        Assert.Equal(
            ["bad Failed", "good Built", "top DependencyFailed"],
            run.GetProperty("jobs").EnumerateArray().Select(job => $"{Name(job)} {Text(job, "status")}").Order());
        Assert.Contains("exit code 3", Text(run.GetProperty("jobs").EnumerateArray().Single(job => Name(job) == "bad"), "error"));
    }

    [Fact]
    public void A_run_that_was_stopped_is_kept_with_what_was_built_and_what_was_under_way()
    {
        // Both begin together, so when the one has ended the other has long begun, however busy this machine is.
        session.Write(
            "long", """package "top" "cat $inputs > $out" [ (package "quick" (sleep 5) [ ]) (package "slow" "sleep 6000" [ ]) ]""");

        session.Run("foreach ($i in 1) { Get-NixBuilder kana | Invoke-NixDistributedBuild -Path long.nix | ForEach-Object { break } }");

        var run = Latest();
        Assert.Equal("Stopped", run.GetProperty("state").GetString());
        var jobs = run.GetProperty("jobs").EnumerateArray().ToDictionary(job => Name(job)!);
        Assert.Equal(
            ("Built", "Cancelled", "Cancelled"),
            (Text(jobs["quick"], "status"), Text(jobs["slow"], "status"), Text(jobs["top"], "status")));
        Assert.Equal("kana", Text(jobs["slow"], "builder"));
        Assert.InRange(Number(jobs["slow"], "seconds"), 0.001, 60);
        Assert.Null(Text(jobs["top"], "builder"));
    }

    [Fact]
    public void A_run_that_met_an_error_is_kept_with_the_reason()
    {
        session.Write("linked", """[ (package "top" (sleep 0) [ ]) (package "other" (sleep 0) [ ]) ]""");
        // That this link is wanted is known only after the evaluation, when the run has begun.
        File.WriteAllText(Path.Combine(session.Folder, "result-2"), "not a link");

        session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path linked.nix -OutLink result");

        var run = Latest();
        Assert.Equal("Failed", run.GetProperty("state").GetString());
        Assert.NotEmpty(Text(run, "error")!);
    }

    [Fact]
    public void An_output_that_was_already_valid_is_kept_as_such()
    {
        session.Write("twice", """package "top" (sleep 0) [ ]""");
        for (var i = 0; i < 2; i++) session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path twice.nix").Succeeded();

        Assert.Equal(2, HistoryFile.Texts(session.HistoryFile, "SELECT id FROM run").Count);
        Assert.Equal(
            ["top AlreadyValid"], Latest().GetProperty("jobs").EnumerateArray().Select(job => $"{Name(job)} {Text(job, "status")}"));
    }

    private JsonElement Latest()
    {
        var packed = HistoryFile.Query(
            session.HistoryFile, "SELECT record FROM run ORDER BY started DESC LIMIT 1", row => row.GetFieldValue<byte[]>(0))
            .Single();
        using var json = new GZipStream(new MemoryStream(packed), CompressionMode.Decompress);
        return JsonSerializer.Deserialize<JsonElement>(json);
    }

    private static double Length(JsonElement run) =>
        (run.GetProperty("ended").GetDateTimeOffset() - run.GetProperty("started").GetDateTimeOffset()).TotalSeconds;

    private static string? Name(JsonElement job) => job.GetProperty("job").GetProperty("name").GetString();

    private static string? Text(JsonElement element, string property) =>
        element.TryGetProperty(property, out var value) ? value.GetString() : null;

    private static double Number(JsonElement element, string property) => element.GetProperty(property).GetDouble();
}
