using NixBuildFarm.Module.Tests.Builders;


namespace NixBuildFarm.Module.Tests.Policies;

/// <summary>Set-, Get- and Reset-NixBuilderPolicy, and what Get-NixBuilder makes of them.</summary>
[Collection(MachineGroup.Name)]
public class NixBuilderPolicyTests
{
    private const string Farm = "ruby - - 2 1\nkana - - 3 1";

    [Fact]
    public void Get_NixBuilder_gives_what_a_policy_sets_and_the_other_builders_are_as_configured()
    {
        using var machine = new MachineSession(Farm);

        machine.Run("Set-NixBuilderPolicy ruby -MaxJobs 8 -SpeedFactor 2.5 -Enabled $false");

        Assert.Equal([4, 8, 3], machine.Values("Get-NixBuilder", "MaxJobs"));
        Assert.Equal([1.0, 2.5, 1.0], machine.Values("Get-NixBuilder", "SpeedFactor"));
        Assert.Equal([true, false, true], machine.Values("Get-NixBuilder", "Enabled"));
        Assert.Equal([2], machine.Values("(Get-NixBuilder ruby).Configured", "MaxJobs"));
    }

    [Theory]
    [InlineData("Set-NixBuilderPolicy kana, ruby -MaxJobs 9", "4 9 9")]
    [InlineData("Set-NixBuilderPolicy *a* -MaxJobs 9", "9 2 9")]
    [InlineData("'kana' | Set-NixBuilderPolicy -MaxJobs 9", "4 2 9")]
    [InlineData("Get-NixBuilder kana | Set-NixBuilderPolicy -MaxJobs 9", "4 2 9")]
    [InlineData("Get-NixBuilder | Set-NixBuilderPolicy -MaxJobs 9", "9 9 9")]
    [InlineData("Set-NixBuilderPolicy -Builder (Get-NixBuilder kana) -MaxJobs 9", "4 2 9")]
    [InlineData("[pscustomobject]@{ HostName = 'kana' } | Set-NixBuilderPolicy -MaxJobs 9", "4 2 9")]
    [InlineData("Set-NixBuilderPolicy -MaxJobs 9", "9 9 9")]
    [InlineData("Set-NixBuilderPolicy -MaxJobs 9; Set-NixBuilderPolicy kana -MaxJobs 5", "9 9 5")]
    [InlineData("Set-NixBuilderPolicy local -MaxJobs 0 -Scope Session", "0 2 3")]
    [InlineData("Set-NixBuilderPolicy kana -MaxJobs 5; Set-NixBuilderPolicy -MaxJobs 7 -Scope Session", "7 7 7")]
    [InlineData("@() | Set-NixBuilderPolicy -MaxJobs 9", "4 2 3")]
    [InlineData("Get-NixBuilder topaz* | Set-NixBuilderPolicy -MaxJobs 9", "4 2 3")]
    [InlineData("Set-NixBuilderPolicy topaz* -MaxJobs 9", "4 2 3")]
    [InlineData("Set-NixBuilderPolicy kana -MaxJobs 9 -WhatIf", "4 2 3")]
    [InlineData("Set-NixBuilderPolicy -MaxJobs 9 -WhatIf", "4 2 3")]
    public void A_policy_is_of_the_builders_given_or_of_all(string command, string maxJobs)
    {
        using var machine = new MachineSession(Farm);

        var result = machine.Run(command);

        Assert.Empty(result.Errors);
        Assert.Equal(maxJobs, string.Join(' ', machine.Values("Get-NixBuilder", "MaxJobs")));
    }

    [Fact]
    public void A_user_s_policy_is_kept_and_a_session_s_is_not()
    {
        using var machine = new MachineSession(Farm);

        machine.Run("Set-NixBuilderPolicy ruby -MaxJobs 8 -Scope Session");
        Assert.False(File.Exists(machine.PolicyFile));

        machine.Run("Set-NixBuilderPolicy kana -MaxJobs 8");
        Assert.Contains("kana", File.ReadAllText(machine.PolicyFile));
        Assert.DoesNotContain("ruby", File.ReadAllText(machine.PolicyFile));
    }

    [Fact]
    public void A_builder_of_another_list_can_have_a_policy()
    {
        using var machine = new MachineSession(Farm);
        var list = machine.WriteFile("other", "pearl");

        machine.Run($"Get-NixBuilder pearl -Path {list} | Set-NixBuilderPolicy -MaxJobs 6");

        Assert.Equal([6], machine.Values($"Get-NixBuilder pearl -Path {list}", "MaxJobs"));
    }

    [Fact]
    public void With_PassThru_the_builders_go_on_as_they_will_be_used()
    {
        using var machine = new MachineSession(Farm);

        Assert.Equal([8], machine.Values("Get-NixBuilder ruby | Set-NixBuilderPolicy -MaxJobs 8 -PassThru", "MaxJobs"));
        Assert.Equal([7, 8, 7], machine.Values("Set-NixBuilderPolicy -MaxJobs 7 -PassThru", "MaxJobs"));
        Assert.Empty(machine.Run("Set-NixBuilderPolicy ruby -MaxJobs 8").Output);
    }

    [Fact]
    public void An_unknown_name_is_an_error_and_the_others_are_set()
    {
        using var machine = new MachineSession(Farm);

        var result = machine.Run("Set-NixBuilderPolicy rubi, kana -MaxJobs 9");

        Assert.Equal(
            "BuilderNotFound,NixBuildFarm.Policies.SetNixBuilderPolicyCommand", Assert.Single(result.Errors).FullyQualifiedErrorId);
        Assert.Equal([4, 2, 9], machine.Values("Get-NixBuilder", "MaxJobs"));
    }

    [Theory]
    [InlineData("Set-NixBuilderPolicy ruby", "NothingToSet")]
    [InlineData("Set-NixBuilderPolicy", "NothingToSet")]
    [InlineData("Set-NixBuilderPolicy ruby -MaxJobs -1", "ParameterArgumentValidationError")]
    [InlineData("Set-NixBuilderPolicy ruby -SpeedFactor 0", "ParameterArgumentValidationError")]
    [InlineData("Set-NixBuilderPolicy ruby -SpeedFactor NaN", "ParameterArgumentValidationError")]
    [InlineData("Set-NixBuilderPolicy ruby -MaxJobs 2 -Scope Machine", "CannotConvertArgumentNoMessage")]
    public void Settings_that_make_no_sense_are_refused(string command, string id)
    {
        using var machine = new MachineSession(Farm);

        var result = machine.Run(command);

        Assert.StartsWith(id, (result.TerminatingError ?? Assert.Single(result.Errors)).FullyQualifiedErrorId);
        Assert.Empty(machine.Run("Get-NixBuilderPolicy").Output);
    }

    [Fact]
    public void WhatIf_says_what_would_be_set_for_whom()
    {
        using var machine = new MachineSession(Farm);

        var shown = machine.Show("Get-NixBuilder ruby | Set-NixBuilderPolicy -MaxJobs 9 -Enabled $false -WhatIf");

        Assert.Contains("\"Set MaxJobs 9, Enabled False (User)\" on target \"ruby\"", shown);
    }

    [Fact]
    public void With_Confirm_only_what_is_confirmed_is_set()
    {
        using var machine = new MachineSession(Farm);
        machine.Screen.Answers.Enqueue("Yes");
        machine.Screen.Answers.Enqueue("No");

        machine.Run("Set-NixBuilderPolicy ruby, kana -MaxJobs 9 -Confirm");

        Assert.Equal([4, 9, 3], machine.Values("Get-NixBuilder", "MaxJobs"));
    }

    [Fact]
    public void A_policy_that_the_session_s_hides_is_kept_with_a_warning()
    {
        using var machine = new MachineSession(Farm);
        machine.Run("Set-NixBuilderPolicy -MaxJobs 1 -Scope Session");

        Assert.Contains("this session (MaxJobs 1)", Assert.Single(machine.Run("Set-NixBuilderPolicy ruby -MaxJobs 9").Warnings));
        Assert.Contains("this session (MaxJobs 1)", Assert.Single(machine.Run("Set-NixBuilderPolicy -MaxJobs 9").Warnings));
        Assert.Empty(machine.Run("Set-NixBuilderPolicy ruby -SpeedFactor 2").Warnings);
    }

    [Fact]
    public void Policies_are_listed_by_scope_and_name()
    {
        using var machine = new MachineSession(Farm);
        machine.Run("Set-NixBuilderPolicy ruby, kana -MaxJobs 9; Set-NixBuilderPolicy -Enabled $true; Set-NixBuilderPolicy ruby "
            + "-SpeedFactor 2 -Scope Session");

        Assert.Equal(
            ["Session ruby: SpeedFactor 2", "User farm-wide: Enabled True", "User kana: MaxJobs 9", "User ruby: MaxJobs 9"],
            machine.Run("Get-NixBuilderPolicy | ForEach-Object { \"$($_.Scope) $($_): $($_.Settings)\" }").OutputAs<string>());
        Assert.Equal(["ruby", "ruby"], machine.Names("Get-NixBuilderPolicy ru*"));
        Assert.Equal(["ruby"], machine.Names("Get-NixBuilder ruby | Get-NixBuilderPolicy -Scope User"));
        Assert.Empty(machine.Names("@() | Get-NixBuilderPolicy"));
        Assert.Matches(@"farm-wide +User +True", machine.Show("Get-NixBuilderPolicy"));
    }

    [Theory]
    [InlineData("Reset-NixBuilderPolicy", "Session ruby, User kana, User ruby")]
    [InlineData("Reset-NixBuilderPolicy -Scope Session", "Session ruby, User farm-wide, User kana, User ruby")]
    [InlineData("Reset-NixBuilderPolicy ruby", "User farm-wide, User kana")]
    [InlineData("Reset-NixBuilderPolicy RU* -Scope User", "Session ruby, User farm-wide, User kana")]
    [InlineData("Get-NixBuilder | Reset-NixBuilderPolicy", "User farm-wide")]
    [InlineData("'kana' | Reset-NixBuilderPolicy", "Session ruby, User farm-wide, User ruby")]
    [InlineData("Get-NixBuilderPolicy -Scope User | Reset-NixBuilderPolicy", "Session ruby")]
    [InlineData("Reset-NixBuilderPolicy -All", "")]
    [InlineData("Reset-NixBuilderPolicy -All -Scope User", "Session ruby")]
    [InlineData("Reset-NixBuilderPolicy -All -WhatIf", "Session ruby, User farm-wide, User kana, User ruby")]
    [InlineData("@() | Reset-NixBuilderPolicy", "Session ruby, User farm-wide, User kana, User ruby")]
    [InlineData("Reset-NixBuilderPolicy topaz", "Session ruby, User farm-wide, User kana, User ruby")]
    public void A_reset_setting_is_gone_and_the_rest_stays(string command, string left)
    {
        using var machine = new MachineSession(Farm);
        machine.Run("Set-NixBuilderPolicy ruby, kana -MaxJobs 9; Set-NixBuilderPolicy -Enabled $true; Set-NixBuilderPolicy ruby "
            + "-SpeedFactor 2 -Scope Session");

        var result = machine.Run(command);

        Assert.Empty(result.Errors);
        Assert.Equal(
            left, string.Join(", ", machine.Run("Get-NixBuilderPolicy | ForEach-Object { \"$($_.Scope) $_\" }").OutputAs<string>()));
    }

    [Fact]
    public void Names_of_builders_with_a_policy_complete()
    {
        using var machine = new MachineSession(Farm);
        machine.Run("Set-NixBuilderPolicy ruby -MaxJobs 9");

        var match = Assert.Single(machine.Complete("Reset-NixBuilderPolicy "));
        Assert.Equal(("ruby", "User: MaxJobs 9"), (match.CompletionText, match.ToolTip));
        Assert.Equal(["kana"], machine.Complete("Set-NixBuilderPolicy k").Select(c => c.CompletionText));
    }

    [Fact]
    public void A_file_that_is_not_understood_is_not_overwritten()
    {
        using var machine = new MachineSession(Farm);
        Directory.CreateDirectory(Path.GetDirectoryName(machine.PolicyFile)!);
        File.WriteAllText(machine.PolicyFile, """{ "version": 2 }""");

        var result = machine.Run("Set-NixBuilderPolicy -MaxJobs 2");

        Assert.StartsWith("PolicyFileNewer", (result.TerminatingError ?? Assert.Single(result.Errors)).FullyQualifiedErrorId);
        Assert.Equal("""{ "version": 2 }""", File.ReadAllText(machine.PolicyFile));
    }

    [Fact]
    public void Every_setting_is_kept_shown_and_applied()
    {
        using var machine = new MachineSession(Farm);

        machine.Run("""
            Set-NixBuilderPolicy ruby -Cores 6 -Reserve 2 -ReserveMemory 4KB -Memory @{ 'chromium*' = 32KB } -Drain `
                -System a-linux, b-linux -ExcludeSystem b-linux -Feature kvm -Match 'linux-*', gcc* -Exclude *-debug `
                -CopyBack Requested -MaxUpload 2MB -IdentityFile /keys/own
            """);

        Assert.Equal(
            "Cores 6, Reserve 2, ReserveMemory 4096, Memory chromium*=32768, Drain True, System a-linux b-linux, "
                + "ExcludeSystem b-linux, Feature kvm, Match linux-* gcc*, Exclude *-debug, "
                + "CopyBack Requested, MaxUpload 2097152, IdentityFile /keys/own",
            Assert.Single(machine.Run("\"$((Get-NixBuilderPolicy ruby).Settings)\"").OutputAs<string>()));
        Assert.Equal(
            "6 4 a-linux kvm",
            Assert.Single(
                machine.Run("$b = Get-NixBuilder ruby; \"$($b.Cores) $($b.BuildCores) $($b.Systems) $($b.SupportedFeatures)\"")
                    .OutputAs<string>()));
        Assert.Contains("\"copyBack\": \"Requested\"", File.ReadAllText(machine.PolicyFile));
        Assert.Matches("ruby +User +Cores 6, Reserve 2", machine.Show("Get-NixBuilderPolicy"));

        machine.Run("Set-NixBuilderPolicy ruby -Drain:$false");
        Assert.Contains("Drain False", Assert.Single(machine.Run("\"$((Get-NixBuilderPolicy ruby).Settings)\"").OutputAs<string>()));
    }

    [Theory]
    [InlineData("-Cores 0")]
    [InlineData("-Reserve -1")]
    [InlineData("-ReserveMemory -1")]
    [InlineData("-Memory @{ 'chromium*' = 'much' }")]
    [InlineData("-Memory @{ '' = 4GB }")]
    [InlineData("-Memory @{}")]
    [InlineData("-MaxUpload 0")]
    [InlineData("-System @()")]
    [InlineData("-CopyBack Some")]
    public void Values_that_make_no_sense_are_refused(string setting)
    {
        using var machine = new MachineSession(Farm);

        Assert.Single(machine.Run($"Set-NixBuilderPolicy ruby {setting}").Errors);
        Assert.Empty(machine.Run("Get-NixBuilderPolicy").Output);
    }

    [Fact]
    public void Importing_the_module_again_keeps_the_session_s_policies()
    {
        using var machine = new MachineSession(Farm);
        machine.Run("Set-NixBuilderPolicy ruby -MaxJobs 9 -Scope Session");

        machine.Run("Import-Module (Get-Module NixBuildFarm).Path -Force");

        Assert.Equal([9], machine.Values("Get-NixBuilder ruby", "MaxJobs"));
    }
}
