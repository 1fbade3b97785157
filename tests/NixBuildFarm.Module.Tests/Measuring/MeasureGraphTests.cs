using System.IO.Compression;
using System.Management.Automation;
using System.Text.Json;
using NixBuildFarm.EngineHost.Recording;

namespace NixBuildFarm.Module.Tests.Measuring;

/// <summary>A graph, durations and a farm from files.</summary>
public sealed class MeasureGraphTests : IDisposable
{
    private const string Farm = """
        {"machines":[{"name":"local","systems":["x86_64-linux"],"slots":2,"speed":1,"bw":100,"local":true},
                     {"name":"ruby","systems":["x86_64-linux"],"features":["kvm"],"slots":2,"speed":2,"bw":100}]}
        """;

    private readonly RecordingSession session = RecordingSession.WithModule();
    private readonly string folder = Directory.CreateTempSubdirectory("measure").FullName;

    public MeasureGraphTests()
    {
        session.Engine.Session.Path.SetLocation(folder);
        // A diamond of 6 s, 8 s or 2 s in its middle, 4 s.
        Zip("g.json.gz", """
            {"systems":["x86_64-linux"],"roots":[3],"nodes":[
              {"n":"bottom","s":0},{"n":"left","s":0,"i":[0]},{"n":"right","s":0,"i":[0]},{"n":"top","s":0,"i":[1,2],"P":1}]}
            """);
        Zip("g.dur.json.gz", """{"sec":[6,8,2,4],"mb":[1,1,1,1],"est":[1,1,1,1]}""");
        File.WriteAllText(Path.Combine(folder, "farm.json"), Farm);
    }

    public void Dispose()
    {
        session.Dispose();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public void A_graph_on_a_farm_is_measured()
    {
        var measured = Measure();

        var makespan = (TimeSpan)measured["Makespan"]!;
        var bound = (TimeSpan)measured["LowerBound"]!;
        Assert.Equal(9, bound.TotalSeconds, 1e-6);
        Assert.InRange(makespan.TotalSeconds, 9, 9.5);
        Assert.Equal(makespan / bound, (double)measured["Ratio"]!, 1e-6);
        Assert.Equal(["bottom", "left", "top"], ((IEnumerable<object>)measured["CriticalPath"]!).Select(s => s.ToString()));
        Assert.Equal(4, measured["Jobs"]);
        Assert.Equal("Portfolio", measured["Policy"]!.ToString());
        Assert.Null(measured["RunId"]);
    }

    [Fact]
    public void The_schedule_is_one_line_of_JSON_for_each_job()
    {
        Measure("-SchedulePath s.jsonl");

        var lines = File.ReadAllLines(Path.Combine(folder, "s.jsonl"))
            .Select(line => JsonDocument.Parse(line).RootElement)
            .ToDictionary(line => line.GetProperty("job").GetInt32());
        Assert.Equal(4, lines.Count);
        foreach (var (job, needs) in new[] { (1, 0), (2, 0), (3, 1), (3, 2) })
        {
            Assert.True(
                lines[job].GetProperty("start").GetDouble() >= lines[needs].GetProperty("end").GetDouble(),
                $"{job} begins before {needs} ends");
        }
        Assert.All(lines.Values, line => Assert.Contains(line.GetProperty("machine").GetString(), (string[])["local", "ruby"]));
        Assert.All(lines.Values, line => Assert.Equal(4, line.GetProperty("cores").GetInt32()));
    }

    [Theory]
    [InlineData("Portfolio")]
    [InlineData("EarliestFinish")]
    [InlineData("CriticalPath")]
    [InlineData("Fifo")]
    [InlineData("StockNix")]
    [InlineData("Hydra")]
    public void Policies_can_be_compared(string policy)
    {
        var measured = Measure($"-Policy {policy}");

        Assert.Equal(policy, measured["Policy"]!.ToString());
        Assert.True((double)measured["Ratio"]! >= 1);
    }

    [Fact]
    public void Knowledge_and_its_error_can_be_chosen_and_the_same_seed_gives_the_same_result()
    {
        foreach (var estimate in new[] { "Exact", "Table", "Priors", "None" })
        {
            var arguments = $"-Estimate {estimate} -EstimateError 1.5 -Seed 7";
            Assert.Equal(Measure(arguments)["Makespan"], Measure(arguments)["Makespan"]);
        }
    }

    [Fact]
    public void With_moldable_cores_a_single_parallel_build_gets_its_whole_builder()
    {
        Measure("-Moldable -SchedulePath s.jsonl");

        var top = File.ReadAllLines(Path.Combine(folder, "s.jsonl"))
            .Select(line => JsonDocument.Parse(line).RootElement)
            .Single(line => line.GetProperty("job").GetInt32() == 3);
        Assert.Equal(8, top.GetProperty("cores").GetInt32());
    }

    [Fact]
    public void A_job_that_no_builder_may_take_is_a_warning_with_the_reason()
    {
        Zip("g.json.gz", """
            {"systems":["x86_64-linux","riscv64-linux"],"nodes":[
              {"n":"bottom","s":0},{"n":"alien","s":1,"i":[0]},{"n":"right","s":0,"i":[0]},{"n":"top","s":0,"i":[1,2]}]}
            """);

        var result = session.Run(Command());

        var warning = Assert.Single(result.Warnings);
        Assert.Contains("2 of 4 builds", warning, StringComparison.Ordinal);
        Assert.Contains("alien: local, ruby: it does not build riscv64-linux", warning, StringComparison.Ordinal);
        Assert.Equal(2, Assert.Single(result.Output).Properties["NotBuilt"].Value);
        Assert.Null(Assert.Single(result.Output).Properties["Ratio"].Value);
    }

    [Theory]
    [InlineData("g.json.gz", "no gzip")]
    [InlineData("g.dur.json.gz", """{"sec":[1]}""")]
    [InlineData("farm.json", "{")]
    public void A_malformed_file_ends_it_with_an_error_that_names_the_file(string file, string text)
    {
        File.WriteAllText(Path.Combine(folder, file), text);

        var error = Fail(Command());

        Assert.Equal("MalformedSimulationFile,NixBuildFarm.Measuring.MeasureNixBuildCommand", error.FullyQualifiedErrorId);
        Assert.Equal(ErrorCategory.InvalidData, error.CategoryInfo.Category);
        Assert.Contains(Path.Combine(folder, file), error.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_schedule_that_cannot_be_written_is_an_error()
    {
        Assert.StartsWith(
            "ScheduleNotWritten,", Fail(Command("-SchedulePath no/such/folder/s.jsonl")).FullyQualifiedErrorId, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("-EstimateError -1")]
    [InlineData("-EstimateError 11")]
    [InlineData("-EstimateError NaN")]
    [InlineData("-Seed -1")]
    [InlineData("-Policy Best")]
    [InlineData("-Estimate Perfect")]
    public void Arguments_that_cannot_be_are_refused_before_anything_is_read(string arguments)
    {
        Assert.Matches("^(Parameter|CannotConvert)", Fail(Command(arguments)).FullyQualifiedErrorId);
    }

    [Fact]
    public void A_table_and_a_list_show_it()
    {
        var table = session.Show(Command());
        Assert.Contains("Makespan", table, StringComparison.Ordinal);
        Assert.Contains("Portfolio", table, StringComparison.Ordinal);

        var list =
            session.Show($"$m = {Command()}; [NixBuildFarm.Measuring.MeasurementView]::Utilisation($m.Utilisation); "
                + "[NixBuildFarm.Measuring.MeasurementView]::CriticalPath($m.CriticalPath)");
        Assert.Contains("ruby  ", list, StringComparison.Ordinal);
        Assert.Contains("bottom (ruby)", list, StringComparison.Ordinal);
    }

    [Fact]
    public void Progress_is_shown_and_taken_away()
    {
        var result = session.Run(Command());

        Assert.Contains(result.Progress, p => p.StatusDescription == "planning");
        Assert.Equal(ProgressRecordType.Completed, result.Progress[^1].RecordType);
    }

    private static string Command(string arguments = "") =>
        $"Measure-NixBuild -GraphPath g.json.gz -DurationPath g.dur.json.gz -FarmPath farm.json {arguments}";

    private ErrorRecord Fail(string command)
    {
        var result = session.Run(command);
        Assert.Empty(result.Output);
        return result.TerminatingError ?? Assert.Single(result.Errors);
    }

    private Dictionary<string, object?> Measure(string arguments = "")
    {
        var result = session.Run(Command(arguments));
        Assert.Null(result.TerminatingError);
        Assert.Empty(result.Errors);
        Assert.Empty(result.Warnings);
        return Assert.Single(result.Output).Properties.ToDictionary(p => p.Name, p => (object?)p.Value);
    }

    private void Zip(string name, string text)
    {
        using var writer = new StreamWriter(new GZipStream(File.Create(Path.Combine(folder, name)), CompressionLevel.Fastest));
        writer.Write(text);
    }
}
