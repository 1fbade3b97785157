using System.Diagnostics;
using System.Management.Automation;
using System.Text.Json;
using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Builds;

/// <summary>What a run says while it goes on and when it has ended, and to whom.</summary>
public sealed class SayingTests(TestFarm farm) : IDisposable
{
    private readonly BuildSession session = new();

    public void Dispose() => session.Dispose();

    [Fact]
    public void Progress_has_a_line_for_the_run_and_one_for_each_builder_at_work_and_all_end()
    {
        session.Write("wide", """package "root" "echo > $out" (many 6 (i: package "leaf${toString i}" (sleep 0.6) [ ]))""");

        var build = session.Run("Get-NixBuilder ruby, kana | Invoke-NixDistributedBuild -Path wide.nix").Succeeded();

        var records = build.Script.Progress;
        // Where the evaluation takes its time, it has a line of its own before.
        var overall = records.Where(record => record.ParentActivityId < 0).SkipWhile(record => record.Activity == "Evaluating wide.nix")
            .ToArray();
        Assert.All(overall, record => Assert.Equal("Building wide.nix", record.Activity));
        Assert.Contains(
            overall,
            record =>
                record.StatusDescription.Contains(" of 7 built, ", StringComparison.Ordinal) && record.PercentComplete is >= 0 and <= 100);
        Assert.Equal(
            ["kana", "ruby"],
            records.Where(record => record.ParentActivityId == overall[0].ActivityId).Select(record => record.Activity).Distinct().Order());
        Assert.Contains(
            records, record => record.Activity == "ruby" && record.StatusDescription.Contains("leaf", StringComparison.Ordinal));
        Assert.All(
            records.GroupBy(record => record.ActivityId), line => Assert.Equal(ProgressRecordType.Completed, line.Last().RecordType));
    }

    [Fact]
    public void Progress_comes_at_most_five_times_a_second_however_much_happens()
    {
        session.Write("many", """package "root" "echo > $out" (many 60 (i: package "leaf${toString i}" (sleep 0) [ ]))""");
        var clock = Stopwatch.StartNew();

        var build = session.Run("Get-NixBuilder ruby, kana | Invoke-NixDistributedBuild -Path many.nix").Succeeded();

        var shown = build.Script.Progress.Count(
            record => record.ParentActivityId < 0 && record.RecordType == ProgressRecordType.Processing);
        Assert.InRange(shown, 1, (int)(5 * clock.Elapsed.TotalSeconds) + 1);
    }

    [Fact]
    public void At_the_end_a_summary_is_shown_that_is_no_part_of_the_output()
    {
        session.Write("some", """package "top" "cat $inputs > $out" [ (package "bottom" (sleep 1) [ ]) ]""");

        var build = session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path some.nix").Succeeded();

        var lines = build.Script.Information.Where(record => record.Tags.Contains("NixBuildSummary"))
            .Select(record => record.MessageData.ToString()!)
            .ToArray();
        Assert.Matches(
            @"^2 of 2 done in [\d.]+ s( \([\d.]+ s of it evaluation\))?, [\d.]+ × the lower bound of [\d.]+ s; .* sent\.$", lines[0]);
        Assert.Matches(@"^  ruby +2 built +\d+ % busy +[\d.]+ \w+ received$", lines[1]);
        Assert.Equal(2, build.Script.Output.Count);
        // Where the output goes into a file, as that of these tests, the summary stays out of it.
        session.Write("some", """package "top" (sleep 0.2) [ ]""");
        Assert.Equal("", session.Show("$null = Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path some.nix"));
    }

    [Fact]
    public void A_failure_s_summary_has_the_command_that_shows_its_log()
    {
        session.Write("bad", """package "bad" "echo the reason; exit 3" [ ]""");

        var build = session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path bad.nix");

        var line = Assert.Single(
            build.Script.Information, record => record.MessageData.ToString()!.Contains("Get-NixBuildLog", StringComparison.Ordinal))
            .MessageData.ToString()!;
        Assert.Equal(
            ["the reason"], session.Run(line[line.IndexOf("Get-NixBuildLog", StringComparison.Ordinal)..]).Script.OutputAs<string>());
    }

    [Fact]
    public void A_valid_output_needs_no_summary()
    {
        session.Write("twice", """package "top" (sleep 0) [ ]""");
        session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path twice.nix").Succeeded();

        Assert.Empty(session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path twice.nix").Succeeded().Script.Information);
    }

    [Fact]
    public void Log_lines_come_on_request_with_their_derivation_and_builder_as_tags()
    {
        session.Write("some", """package "top" "echo hello; echo > $out" [ ]""");

        var build = session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path some.nix -InformationAction Continue");

        var record = Assert.Single(build.Script.Information, record => record.Tags.Contains("NixBuildLog"));
        Assert.Equal("top (ruby)> hello", record.MessageData);
        Assert.Equal(["NixBuildLog", "top", "ruby"], record.Tags);
    }

    [Fact]
    public void Log_lines_that_nobody_asked_for_are_not_kept()
    {
        session.Write("some", """package "top" "echo hello; echo > $out" [ ]""");

        var build = session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path some.nix").Succeeded();

        Assert.DoesNotContain(build.Script.Information, record => record.Tags.Contains("NixBuildLog"));
    }

    [Theory]
    [InlineData("-InformationVariable said")]
    [InlineData("-InformationAction Continue -AsJob | Wait-Job | Receive-Job -InformationVariable said")]
    public void A_variable_and_a_job_have_log_lines_on_request(string how)
    {
        session.Write("some", """package "top" "echo hello; echo > $out" [ ]""");

        var build =
            session.Run($"$null = Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path some.nix {how}; $said | Where-Object {{ $_.Tags "
                + "-contains 'NixBuildLog' } | ForEach-Object { \"$_\" }");

        Assert.Equal(["top (ruby)> hello"], build.Script.OutputAs<string>());
    }

    [Fact]
    public void Log_lines_of_all_builds_go_to_one_private_file_on_request()
    {
        session.Write(
            "some",
            """package "top" "printf 'hello\\033[2J\\n'; cat $inputs > $out" [ (package "bottom" "echo before; echo > $out" [ ]) ]""");
        var file = Path.Combine(session.Folder, "build.log");

        session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path some.nix -LogTo build.log").Succeeded();

        Assert.Equal(["bottom (ruby)> before", "top (ruby)> hello"], File.ReadLines(file));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
        Assert.Contains("LogToNotWritten,", session.Run("Invoke-NixDistributedBuild -Path some.nix -LogTo nowhere/build.log").Errors);
    }

    [Fact]
    public void A_run_can_be_read_by_what_reads_Nix_s_own()
    {
        session.Write("some", """package "top" "echo hello; cat $inputs > $out" [ (package "bottom" (sleep 0.3) [ ]) ]""");

        session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path some.nix -JsonLog run.json").Succeeded();

        var lines = File.ReadLines(Path.Combine(session.Folder, "run.json"))
            .Select(line => JsonDocument.Parse(line["@nix ".Length..]).RootElement)
            .ToArray();
        var started = lines.Where(line => line.GetProperty("action").GetString() == "start").ToArray();
        const int buildType = 105;
        Assert.Equal(2, started.Count(line => line.GetProperty("type").GetInt32() == buildType));
        Assert.Equal(
            started.Select(line => line.GetProperty("id").GetInt64()).Order(),
            lines.Where(line => line.GetProperty("action").GetString() == "stop")
                .Select(line => line.GetProperty("id").GetInt64())
                .Order());
        Assert.Contains(lines, line => line.ToString().Contains("\"hello\"", StringComparison.Ordinal));
        Assert.Contains("JsonLogNotWritten,", session.Run("Invoke-NixDistributedBuild -Path some.nix -JsonLog nowhere/run.json").Errors);
    }

    [Fact]
    public async Task In_a_CI_system_the_log_of_a_failure_is_there_once()
    {
        session.Write("ci", """package "bad" "echo the reason; exit 3" [ ]""");
        File.Copy(Path.Combine(session.Folder, "ci.nix"), "/home/alice/ci.nix", overwrite: true);

        var run = await farm.PowerShellAsync(
            "alice", "$env:CI = 'true'; $null = Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path ci.nix");

        Assert.Equal(2, run.ToString().Split("the reason").Length);
    }

    [Theory]
    [InlineData("GITHUB_ACTIONS", "::group::The end of the log of bad", "::endgroup::")]
    [InlineData("GITLAB_CI", "section_start:", "section_end:")]
    [InlineData("OTHER_CI", "The end of the log of bad:", "")]
    public async Task In_a_CI_system_there_are_plain_lines_and_a_group_for_each_failure(string system, string begin, string end)
    {
        session.Write("ci", """[ (package "bad" "echo '::error::not a command'; exit 3" [ ]) (package "good" (sleep 0.2) [ ]) ]""");
        File.Copy(Path.Combine(session.Folder, "ci.nix"), "/home/alice/ci.nix", overwrite: true);

        var run = await farm.PowerShellAsync(
            "alice",
            $"$env:CI = 'true'; $env:{system} = 'true'; $null = Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path ci.nix -KeepGoing "
                + "-ErrorAction SilentlyContinue");

        Assert.Matches(@"\[\d/2\] Built good on ruby in [\d.]+ s", run.Output);
        Assert.Matches(@"\[\d/2\] Failed bad on ruby", run.Output);
        // Each line has its own number, however close they come.
        Assert.Equal(2, run.Output.Split("[1/2]").Length);
        Assert.Equal(2, run.Output.Split("[2/2]").Length);
        Assert.Contains(begin, run.Output);
        Assert.Contains(end, run.Output);
        // A line of a build is never the beginning of a line.
        Assert.Contains("  > ::error::not a command", run.Output);
        Assert.DoesNotContain("\n::error::", run.Output);
    }
}
