using NixBuildFarm.EngineHost.Recording;
using NixBuildFarm.Farm.Tests.Builds;

namespace NixBuildFarm.Farm.Tests.History;

/// <summary>What was built is found again: runs, results, logs; and forgotten when the user says so.</summary>
public sealed class BrowsingTests : IDisposable
{
    private readonly BuildSession session = new();

    public void Dispose() => session.Dispose();

    [Fact]
    public void Runs_are_listed_newest_first_and_chosen_by_what_is_known_of_them()
    {
        BuildGoodAndBad();

        Assert.Equal(["Failed bad.nix 1 1", "Succeeded good.nix 2 0"], Texts("Get-NixBuild", "State", "Requested", "Built", "NotDone"));
        Assert.Equal(["Failed"], Texts("Get-NixBuild -Last 1", "State"));
        Assert.Equal(["Succeeded"], Texts("Get-NixBuild -State Succeeded", "State"));
        Assert.Equal(["Succeeded"], Texts("Get-NixBuild -Name leaf -Builder kan?", "State"));
        Assert.Empty(Texts("Get-NixBuild -Name leaf -Builder ruby", "State"));
        Assert.Empty(Texts("Get-NixBuild -After ([DateTime]::Now.AddHours(1))", "State"));
        Assert.Equal(2, Texts("Get-NixBuild -Before ([DateTime]::Now.AddHours(1))", "State").Length);
        Assert.Equal(["Failed"], Texts("$run = Get-NixBuild -Last 1; Get-NixBuild $run.RunId.Substring(0, 18)", "State"));
    }

    [Fact]
    public void Results_of_past_runs_are_as_they_were()
    {
        BuildGoodAndBad();

        Assert.Equal(["bad Failed", "fine Built"], Texts("Get-NixBuild -Last 1 -Result", "Name", "Status").Order());
        Assert.Equal(["leaf kana"], Texts("Get-NixBuild -Name leaf -Result", "Name", "Builder"));
        var bad = Assert.Single(session.Run("Get-NixBuild -Last 1 | Get-NixBuild -Result -Name bad").Script.Output);
        Assert.Equal(["first", "the reason"], (IEnumerable<string>)bad.Properties["LogTail"].Value);
        Assert.Contains("exit code 3", (string)bad.Properties["Error"].Value);
    }

    [Fact]
    public void Results_of_past_runs_have_their_outputs_and_the_last_run_for_a_report_is_one_that_built()
    {
        BuildGoodAndBad();
        session.Run("Get-NixBuilder kana | Invoke-NixDistributedBuild -Path good.nix").Succeeded();

        var valid = Assert.Single(
            session.Run("Get-NixBuild -Last 1 -Result | ForEach-Object { \"$($_.Status) $($_.Outputs['out'])\" }")
                .Script.OutputAs<string>());
        Assert.StartsWith("AlreadyValid /nix/store/", valid);
        Assert.All(
            session.Run("(Get-NixBuild -Name leaf -Last 2 -Result -Builder kana).Outputs.Values").Script.OutputAs<string>(),
            output => Assert.StartsWith("/nix/store/", output));
        session.Run("Export-NixBuildReport report.json");
        Assert.Contains("\"bad\"", File.ReadAllText(Path.Combine(session.Folder, "report.json")));
        Assert.Equal("1", $"{Assert.Single(session.Run("(Measure-NixBuild -WarningAction SilentlyContinue).Jobs").Script.Output)}");
    }

    [Fact]
    public void A_log_is_found_by_name_by_derivation_and_by_result()
    {
        BuildGoodAndBad();

        Assert.Equal(["first", "the reason"], session.Run("Get-NixBuildLog bad").Script.OutputAs<string>());
        Assert.Equal(
            ["the reason"],
            session.Run("Get-NixBuild -Result | Where-Object Status -eq Failed | Get-NixBuildLog -Tail 1").Script.OutputAs<string>());
        Assert.Equal(
            ["first", "the reason"],
            session.Run("$bad = Get-NixBuild -Result -Name bad; Get-NixBuildLog -DerivationPath $bad.DerivationPath")
                .Script.OutputAs<string>());
        var none = session.Run("$r = Invoke-NixDistributedBuild -Path good.nix; $r | Get-NixBuildLog");
        Assert.Contains("LogNotFound,", none.Errors);
        Assert.Contains("AlreadyValid", none.Errors);
    }

    [Fact]
    public void The_log_of_a_run_that_was_told_where_to_keep_it_is_found_too()
    {
        session.Write("elsewhere", """package "elsewhere" "echo here; echo > $out" [ ]""");
        session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path elsewhere.nix -LogPath mylogs").Succeeded();

        Assert.Equal(["here"], session.Run("Get-NixBuildLog elsewhere").Script.OutputAs<string>());
    }

    [Fact]
    public async Task A_running_build_is_followed_until_it_ends()
    {
        session.Write("talking", """package "talking" "for i in 1 2 3 4; do echo line $i; sleep 0.5; done; echo > $out" [ ]""");
        using var build = session.Start("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path talking.nix");
        await Until.TrueAsync(() => IsLogThere("talking"), "the build has a log");

        using var other = RecordingSession.WithModule();
        var lines = other.Run("Get-NixBuildLog talking -Wait").OutputAs<string>();

        Assert.Equal(["line 1", "line 2", "line 3", "line 4"], lines);
        build.Wait(RecordingSession.Limit);
    }

    [Fact]
    public void A_run_is_forgotten_with_its_logs_and_the_others_stay()
    {
        BuildGoodAndBad();

        session.Run("Get-NixBuild -State Failed | Clear-NixBuildHistory -Confirm:$false");

        Assert.Equal(["Succeeded"], Texts("Get-NixBuild", "State"));
        Assert.Single(Directory.GetDirectories(session.LogFolder));
        Assert.NotEmpty(HistoryFile.Texts(session.HistoryFile, "SELECT package FROM build"));
    }

    [Fact]
    public void All_is_forgotten_with_what_was_learnt_unless_that_is_kept()
    {
        BuildGoodAndBad();
        session.Run("Clear-NixBuildHistory -WhatIf");
        Assert.Equal(2, Texts("Get-NixBuild", "State").Length);

        var gone = session.Run("Clear-NixBuildHistory -KeepEstimate -Confirm:$false -PassThru");

        Assert.Equal(2, gone.Script.Output.Count);
        Assert.Empty(Texts("Get-NixBuild", "State"));
        Assert.Empty(Directory.GetDirectories(session.LogFolder));
        Assert.NotEmpty(HistoryFile.Texts(session.HistoryFile, "SELECT package FROM build"));
        session.Run("Clear-NixBuildHistory -Confirm:$false");
        Assert.Empty(HistoryFile.Texts(session.HistoryFile, "SELECT package FROM build"));
    }

    private void BuildGoodAndBad()
    {
        session.Write("good", """package "top" "cat $inputs > $out" [ (package "leaf" (sleep 0) [ ]) ]""");
        session.Run("Get-NixBuilder kana | Invoke-NixDistributedBuild -Path good.nix").Succeeded();
        session.Write("bad", """[ (package "bad" "echo first; echo the reason; exit 3" [ ]) (package "fine" (sleep 0) [ ]) ]""");
        session.Run("Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path bad.nix -KeepGoing");
    }

    private bool IsLogThere(string name) =>
        Directory.Exists(session.LogFolder)
            && Directory.EnumerateFiles(session.LogFolder, $"*-{name}.log", SearchOption.AllDirectories).Any();

    private string[] Texts(string script, params string[] properties)
    {
        var build = session.Run(script);
        Assert.True(build.Errors.Length == 0, build.Errors);
        return [.. build.Script.Output.Select(o => string.Join(' ', properties.Select(name => Text(o.Properties[name].Value))))];
    }

    private static string Text(object? value) => value is IEnumerable<string> list ? string.Join(',', list) : $"{value}";
}
