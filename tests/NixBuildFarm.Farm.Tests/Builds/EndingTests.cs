using NixBuildFarm.Farm.Tests.Hosts;

namespace NixBuildFarm.Farm.Tests.Builds;

/// <summary>What comes before a run and after it: the plan's answer, the directory of a failed build, the user's own script.</summary>
public sealed class EndingTests : IDisposable
{
    private readonly BuildSession session = new();

    public void Dispose() => session.Dispose();

    [Fact]
    [EveryNix("Directories of failed builds (`-KeepFailed`)")]
    public void The_directory_of_a_failed_build_comes_here_from_its_builder()
    {
        session.Write("bad", """package "bad" "echo text > kept; exit 3" [ ]""");

        var build = session.Run(
            "$bad = Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path bad.nix -KeepFailed; "
                + "[IO.File]::ReadAllText(\"$($bad.BuildFolder)/kept\")");

        Assert.Equal(["text\n"], build.Script.OutputAs<string>());
        Assert.Empty(build.Script.Warnings);
    }

    [Fact]
    public void Nothing_is_kept_that_nobody_has_asked_for()
    {
        session.Write("bad", """package "bad" "exit 3" [ ]""");

        var build = session.Run("$null -eq (Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path bad.nix).BuildFolder");

        Assert.Equal([true], build.Script.OutputAs<bool>());
    }

    [Theory]
    [InlineData("echo > $out", "Succeeded 1")]
    [InlineData("exit 3", "Failed 0")]
    public void A_script_of_the_user_sees_the_run_when_it_has_ended(string script, string expected)
    {
        session.Write("one", $"""package "one" "{script}" [ ]""");

        var build = session.Run(
            "$null = Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path one.nix -OnCompleted "
                + "{ $global:said = \"$($_.State) $($_.Built)\" }; $said");

        Assert.Equal([expected], build.Script.OutputAs<string>());
    }

    [Fact]
    public void An_error_in_it_is_a_warning_and_no_result_is_lost()
    {
        session.Write("one", """package "one" "echo > $out" [ ]""");

        var build = session.Run(
            "(Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path one.nix -OnCompleted { throw 'oops' }).Status.ToString()");

        Assert.Equal(["Built"], build.Script.OutputAs<string>());
        Assert.Contains("oops", Assert.Single(build.Script.Warnings), StringComparison.Ordinal);
        Assert.Empty(build.Errors);
    }

    [Fact]
    public void A_plan_ends_with_its_answer_and_no_number_is_invented()
    {
        session.Write("two", """package "above" "cat $inputs > $out" [ (package "below" "echo > $out" [ ]) ]""");

        var build = session.Run("$null = Get-NixBuilder ruby | Invoke-NixDistributedBuild -Path two.nix -WhatIf");

        string[] lines =
        [
            .. build.Script.Information.Where(record => record.Tags.Contains("NixBuildPlanSummary"))
                .Select(record => record.MessageData.ToString()!),
        ];
        Assert.Equal("2 derivations will be built.", lines[0]);
        Assert.StartsWith(
            "How long that takes is not known, as no build of these packages is. Planned on ruby (2).", lines[1], StringComparison.Ordinal);
    }
}
