using NixBuildFarm.Module.Tests.Builders;

namespace NixBuildFarm.Module.Tests.Surface;

/// <summary>The Tab key completes names of builders wherever a command takes them.</summary>
[Collection(MachineGroup.Name)]
public class BuilderCompletionTests
{
    private const string Farm = "ssh-ng://nix@ruby x86_64-linux - 3\nruth\nkana";

    [Theory]
    [InlineData("Get-NixBuilder ru")]
    [InlineData("Test-NixBuilder ru")]
    [InlineData("Test-NixBuilder -Builder kana, ru")]
    [InlineData("Test-NixBuilder -Name ru")]
    [InlineData("Set-NixBuilderPolicy ru")]
    [InlineData("Invoke-NixDistributedBuild nixpkgs#hello -Builder ru")]
    [InlineData("Invoke-NixDistributedBuild nixpkgs#hello -ExcludeBuilder kana, ru")]
    [InlineData("Invoke-NixDistributedBuild -Path ./default.nix -Builder ru")]
    [InlineData("Get-NixBuilder | Invoke-NixDistributedBuild -Path ./default.nix -ExcludeBuilder ru")]
    public void Names_of_builders_complete(string line)
    {
        using var machine = new MachineSession(Farm);

        Assert.Equal(["ruby", "ruth"], machine.Complete(line).Select(completion => completion.CompletionText));
    }

    [Fact]
    public void Each_completion_says_what_it_is()
    {
        using var machine = new MachineSession(Farm);

        Assert.Equal(
            "ssh-ng://nix@ruby: x86_64; MaxJobs 3, SpeedFactor 1",
            machine.Complete("Invoke-NixDistributedBuild nixpkgs#hello -Builder ruby")[0].ToolTip);
    }

    [Fact]
    public void A_list_that_the_line_names_is_found_from_where_the_session_is()
    {
        using var machine = new MachineSession(Farm);
        var list = machine.WriteFile("other", "pearl");
        machine.Run($"$null = $ExecutionContext.SessionState.Path.SetLocation('{Path.GetDirectoryName(list)}')");

        Assert.Equal(["pearl"], machine.Complete("Get-NixBuilder -Path ./other -Name p").Select(completion => completion.CompletionText));
        Assert.Empty(machine.Complete("Get-NixBuilder -Path gone:/other -Name p"));
    }

    [Fact]
    public void Without_a_list_of_builders_there_is_nothing_to_offer_and_no_error()
    {
        using var machine = new MachineSession();
        machine.Nix("exit 1");

        Assert.Empty(machine.Complete("Invoke-NixDistributedBuild nixpkgs#hello -Builder ru"));
    }
}
