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
