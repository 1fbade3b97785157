using System.Text.Json;
using NixBuildFarm.Farm.Tests.Builds;

namespace NixBuildFarm.Farm.Tests.History;

/// <summary>The report of a run that was; how the page looks is tested in tests/Report.</summary>
public sealed class ReportTests : IDisposable
{
    private readonly BuildSession session = new();

    public void Dispose() => session.Dispose();

    [Fact]
    public void The_latest_run_is_written_as_what_the_name_of_the_file_says()
    {
        session.Write("some", """package "top" "sleep 0.3; cat $inputs > $out" [ (package "bottom" (sleep 0.3) [ ]) ]""");
        session.Run("Get-NixBuilder ruby, kana | Invoke-NixDistributedBuild -Path some.nix").Succeeded();

        var written = session.Run("'a.html', 'a.json', 'a.trace', 'a.trace.json' | ForEach-Object { Export-NixBuildReport $_ -PassThru }");

        Assert.Empty(written.Errors);
        Assert.Equal(["a.html", "a.json", "a.trace", "a.trace.json"], written.Script.OutputAs<FileInfo>().Select(file => file.Name));
        Assert.StartsWith("<!doctype html>", Text("a.html"));
        var report = JsonDocument.Parse(Text("a.json")).RootElement;
        Assert.Equal(
            ["bottom", "top"],
            report.GetProperty("criticalPath")
                .EnumerateArray()
                .Select(index => report.GetProperty("jobs")[index.GetInt32()].GetProperty("name").GetString()));
        Assert.InRange(report.GetProperty("lowerBound").GetDouble(), 0.5, report.GetProperty("makespan").GetDouble());
        var copies = report.GetProperty("copies").EnumerateArray().ToArray();
        Assert.Equal(
            [0, 1], copies.SelectMany(copy => copy.GetProperty("jobs").EnumerateArray().Select(index => index.GetInt32())).Order());
        Assert.All(copies, copy => Assert.InRange(copy.GetProperty("start").GetDouble(), 0.3, report.GetProperty("seconds").GetDouble()));
        Assert.Contains("traceEvents", Text("a.trace"));
        Assert.Equal(Text("a.trace"), Text("a.trace.json"));
        Assert.Empty(Directory.GetFiles(session.Folder, "*.tmp"));
    }

    [Fact]
    public void A_run_that_failed_shows_the_end_of_its_log()
    {
        session.Write("bad", """package "bad" "echo '<the reason>'; exit 3" [ ]""");
        session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path bad.nix");

        session.Run("Get-NixBuild -Last 1 -Result | Export-NixBuildReport bad.json -NoClobber");

        var job = Assert.Single(JsonDocument.Parse(Text("bad.json")).RootElement.GetProperty("jobs").EnumerateArray());
        Assert.Equal("<the reason>", Assert.Single(job.GetProperty("logTail").EnumerateArray()).GetString());
        Assert.Contains("FileExists,", session.Run("Export-NixBuildReport bad.json -NoClobber").Errors);
        Assert.Contains("ReportNotWritten,", session.Run("Export-NixBuildReport nowhere/bad.json").Errors);
        session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path bad.nix");
        Assert.Contains("SeveralRuns,", session.Run("Get-NixBuild | Export-NixBuildReport both.html").Errors);
        Assert.Contains("NotAFile,", session.Run("Export-NixBuildReport env:both").Errors);
    }

    [Fact]
    public void Two_runs_are_compared_in_a_page_in_JSON_in_Markdown_and_as_objects()
    {
        const string build = "Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path some.nix -KeepGoing -ErrorAction SilentlyContinue; ";
        // The same names with other paths: that is what a change leaves of a derivation.
        session.Write("some", """[ (package "gone-1" "echo > $out" [ ]) (package "kept-1" "exit 3" [ ]) ]""");
        session.Run(build);
        session.Write("some", """[ (package "fresh-1" "echo > $out" [ ]) (package "kept-2" "echo > $out" [ ]) ]""");
        session.Run(build).Succeeded();

        var compared = session.Run(
            "$now, $then = (Get-NixBuild).RunId; "
                + "'c.html', 'c.json', 'c.md' | ForEach-Object { Export-NixBuildReport $_ -ComparedTo $then }; "
                + "Get-NixBuild $now -ComparedTo $then | ForEach-Object { \"$_\" }; "
                + "@(Get-NixBuild $now -ComparedTo $then -Name 'kept*').Count; "
                + "Get-NixBuild -ComparedTo $then -Name 'gone*' | ForEach-Object { \"the newest: $_\" }");

        Assert.Empty(compared.Errors);
        string[] expected = ["fresh-1: New", "gone-1: Gone", "kept-2: Mended"];
        Assert.Equal(
            ["1", .. expected, "the newest: gone-1: Gone"],
            compared.Script.Output.Select(one => one.ToString()).Order(StringComparer.Ordinal));
        var other = JsonDocument.Parse(Text("c.json")).RootElement.GetProperty("comparedTo");
        Assert.Equal("Failed", other.GetProperty("state").GetString());
        Assert.Equal(
            expected,
            other.GetProperty("derivations").EnumerateArray()
                .Select(one => $"{one.GetProperty("name").GetString()}: {one.GetProperty("change").GetString()}")
                .Order(StringComparer.Ordinal));
        Assert.Contains("\"comparedTo\":", Text("c.html"), StringComparison.Ordinal);
        Assert.Contains("1 new, 1 gone, 1 mended.", Text("c.md"), StringComparison.Ordinal);
        Assert.Contains("NothingToCompare,", session.Run("Export-NixBuildReport c.xml -ComparedTo $then").Errors);
        Assert.Contains("RunNotFound,", session.Run("Export-NixBuildReport c.html -ComparedTo 2020").Errors);
        Assert.Contains("RunNotFound,", session.Run("Get-NixBuild $now -ComparedTo 2020").Errors);
    }

    private string Text(string file) => File.ReadAllText(Path.Combine(session.Folder, file));
}
