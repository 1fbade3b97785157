using NixBuildFarm.Module.Tests.Builders;

namespace NixBuildFarm.Module.Tests.History;

/// <summary>The history's cmdlets where there is no history yet; the farm's tests have one.</summary>
[Collection(MachineGroup.Name)]
public sealed class HistoryCommandTests : IDisposable
{
    private readonly MachineSession machine = new();
    private readonly string state = Directory.CreateTempSubdirectory("nixbuildfarm-state-").FullName;
    private readonly string? outside = Environment.GetEnvironmentVariable("XDG_STATE_HOME");

    public HistoryCommandTests() => Environment.SetEnvironmentVariable("XDG_STATE_HOME", state);

    public void Dispose()
    {
        Environment.SetEnvironmentVariable("XDG_STATE_HOME", outside);
        machine.Dispose();
        Directory.Delete(state, recursive: true);
    }

    [Theory]
    [InlineData("Get-NixBuild")]
    [InlineData("Get-NixBuild -Last 3 -State Failed -Name gcc* -Builder ruby -After 2026-01-01 -Result")]
    [InlineData("@() | Get-NixBuild")]
    [InlineData("Get-NixBuildLog gcc-*")]
    [InlineData("Clear-NixBuildHistory -WhatIf")]
    [InlineData("Clear-NixBuildHistory -Confirm:$false -PassThru")]
    [InlineData("@() | Clear-NixBuildHistory -Confirm:$false")]
    public void Nothing_is_found_and_no_history_is_made(string command)
    {
        var result = machine.Run(command);

        Assert.Null(result.TerminatingError);
        Assert.Empty(result.Errors);
        Assert.Empty(result.Output);
        Assert.Empty(Directory.EnumerateFileSystemEntries(state));
    }

    [Theory]
    [InlineData("Get-NixBuild 2026", "RunNotFound", "2026")]
    [InlineData("Get-NixBuildLog gcc-14.3.0", "LogNotFound", "gcc-14.3.0")]
    [InlineData("Get-NixBuildLog -DerivationPath /nix/store/00000000000000000000000000000000-gcc.drv", "LogNotFound", "gcc")]
    [InlineData("Get-NixBuildLog -DerivationPath /etc/passwd", "MalformedDerivationPath", "/etc/passwd")]
    [InlineData("Clear-NixBuildHistory 2026 -Confirm:$false", "RunNotFound", "2026")]
    public void A_name_that_is_not_there_is_an_error(string command, string id, string says)
    {
        var result = machine.Run(command);

        var error = result.TerminatingError ?? Assert.Single(result.Errors);
        Assert.StartsWith(id + ",", error.FullyQualifiedErrorId);
        Assert.Contains(says, error.ToString());
        Assert.DoesNotContain(" at NixBuildFarm.", error.ToString());
    }

    /// <summary>nix-output-monitor keeps its reports beside our state.</summary>
    private string WriteReports()
    {
        var folder = Directory.CreateDirectory(Path.Combine(state, "nix-output-monitor")).FullName;
        var file = Path.Combine(folder, "build-reports.csv");
        File.WriteAllText(file, """
            hostname,derivation name,utc time,build seconds
            ,hello,2025-11-29 10:20:30,12
            ,gcc,2025-11-29 10:21:30,800
            nonsense
            """);
        return file;
    }

    [Fact]
    public void Reports_of_nix_output_monitor_are_imported_once()
    {
        var file = WriteReports();
        Assert.Empty(machine.Run("Import-NixBuildHistory -WhatIf").Output);
        Assert.False(File.Exists(Path.Combine(state, "nixbuildfarm", "history.db")));

        var result = machine.Run("1..2 | ForEach-Object { Import-NixBuildHistory } | "
            + "ForEach-Object { $_.Source, $_.From, $_.Found, $_.Imported -join ' ' }");

        Assert.Null(result.TerminatingError);
        Assert.Empty(result.Errors);
        Assert.Equal(
            [$"NixOutputMonitor {file} 2 2", $"NixOutputMonitor {file} 2 0"], result.Output.Select(line => line.ToString()));
    }

    [Fact]
    public void The_history_of_another_user_is_imported_and_ones_own_is_not()
    {
        WriteReports();
        machine.Run("Import-NixBuildHistory");
        var own = Path.Combine(state, "nixbuildfarm", "history.db");

        var result = machine.Run($"Import-NixBuildHistory '{own}'");
        Assert.StartsWith("OwnHistory,", (result.TerminatingError ?? Assert.Single(result.Errors)).FullyQualifiedErrorId);

        File.Copy(own, Path.Combine(state, "theirs.db"));
        var other = machine.Run($"(Import-NixBuildHistory '{Path.Combine(state, "theirs.db")}').ToString()");
        Assert.Null(other.TerminatingError);
        // What they have been told of themselves is not theirs to pass on.
        Assert.StartsWith("0 of 0 builds from ", Assert.Single(other.Output).ToString());
    }

    [Fact]
    public void Where_nix_output_monitor_is_not_used_there_is_nothing_to_import() => Assert.StartsWith(
        "FileUnreadable,",
        machine.Run("Import-NixBuildHistory") is var result
            ? (result.TerminatingError ?? Assert.Single(result.Errors)).FullyQualifiedErrorId
            : null);

    [Fact]
    public void A_name_that_is_nearly_right_is_suggested()
    {
        WriteLog("20260101-000000-aaaa", "hello-2.12.1", "hello");

        var error = Assert.Single(machine.Run("Get-NixBuildLog hello-2.12").Errors);

        Assert.Contains("hello-2.12.1", error.ErrorDetails.RecommendedAction);
    }

    [Fact]
    public void A_log_of_a_run_that_the_history_does_not_know_is_shown_without_what_a_terminal_would_act_on()
    {
        WriteLog("20260101-000000-aaaa", "hello-2.12", "one\n\e[31mtwo\e[0m\e]0;title\a\nthree\n");

        Assert.Equal(["two", "three"], machine.Run("Get-NixBuildLog hello* -Tail 2").OutputAs<string>());
    }

    [Fact]
    public void Several_logs_have_their_names_before_them_and_cannot_be_followed_at_once()
    {
        WriteLog("20260101-000000-aaaa", "a-1", "from a\n");
        WriteLog("20260101-000000-aaaa", "b-1", "from b\n");

        Assert.Equal(["==> a-1 <==", "from a", "==> b-1 <==", "from b"], machine.Run("Get-NixBuildLog *").OutputAs<string>());
        var error = machine.Run("Get-NixBuildLog * -Wait");
        Assert.StartsWith("SeveralLogs,", (error.TerminatingError ?? error.Errors[^1]).FullyQualifiedErrorId);
    }

    [Fact]
    public void Names_of_logs_complete_with_their_run()
    {
        WriteLog("20260101-000000-aaaa", "hello-2.12", "");

        var offered = Assert.Single(machine.Complete("Get-NixBuildLog he"));

        Assert.Equal(("hello-2.12", "of the run 20260101-000000-aaaa"), (offered.CompletionText, offered.ToolTip));
    }

    private void WriteLog(string run, string name, string text)
    {
        var folder = Directory.CreateDirectory(Path.Combine(state, "nixbuildfarm", "logs", run)).FullName;
        File.WriteAllText(Path.Combine(folder, $"00000000000000000000000000000000-{name}.log"), text);
    }
}
