using System.Management.Automation;
using NixBuildFarm.EngineHost.Recording;

namespace NixBuildFarm.Module.Tests.Builders;

[Collection(MachineGroup.Name)]
public class GetNixBuilderTests
{
    private const string Farm = """
        ssh-ng://nix@aquamarine x86_64-linux,riscv64-linux - 3 1.5 kvm,big-parallel benchmark
        ruby aarch64-linux
        ssh://nix@ruby:2222 x86_64-linux
        """;

    [Fact]
    public void The_local_machine_and_every_configured_builder_are_listed()
    {
        using var machine = new MachineSession(Farm);

        Assert.Equal(["local", "aquamarine", "ruby", "ruby:2222"], machine.Names("Get-NixBuilder"));
        Assert.Equal([true, false, false, false], machine.Values("Get-NixBuilder", "IsLocal"));
    }

    [Fact]
    public void This_machine_tells_what_it_has_now()
    {
        using var machine = new MachineSession(Farm);

        Assert.Equal(["local"], machine.Names("Get-NixBuilder local -Live"));
        Assert.Equal([Environment.ProcessorCount], machine.Values("Get-NixBuilder local -Live", "Cores"));
        Assert.True((long)machine.Values("Get-NixBuilder local -Live", "MemoryAvailable").Single()! > 0);
    }

    [Theory]
    [InlineData("Get-NixBuilder ruby", "ruby")]
    [InlineData("Get-NixBuilder RUBY", "ruby")]
    [InlineData("Get-NixBuilder ruby, aquamarine", "ruby aquamarine")]
    [InlineData("Get-NixBuilder ruby*", "ruby ruby:2222")]
    [InlineData("Get-NixBuilder *2222, ruby*, ruby", "ruby:2222 ruby")]
    [InlineData("Get-NixBuilder [al]*", "local aquamarine")]
    [InlineData("Get-NixBuilder -HostName ruby", "ruby")]
    [InlineData("Get-NixBuilder -ComputerName ruby", "ruby")]
    [InlineData("'ruby', 'local' | Get-NixBuilder", "ruby local")]
    [InlineData("[pscustomobject]@{ HostName = 'ruby' } | Get-NixBuilder", "ruby")]
    [InlineData("Get-NixBuilder ruby:2222 | Get-NixBuilder", "ruby:2222")]
    [InlineData("Get-NixBuilder | Where-Object Arch -eq riscv64", "aquamarine")]
    [InlineData("Get-NixBuilder | Where-Object SupportedFeatures -contains kvm", "local aquamarine")]
    [InlineData("Get-NixBuilder topaz*", "")]
    [InlineData("@() | Get-NixBuilder", "")]
    public void Builders_are_chosen_by_name(string command, string names)
    {
        using var machine = new MachineSession(Farm);

        Assert.Equal(names, string.Join(' ', machine.Names(command)));
    }

    [Fact]
    public void A_name_that_nobody_has_is_an_error_that_suggests_one_and_the_others_are_listed()
    {
        using var machine = new MachineSession(Farm);

        var result = machine.Run("Get-NixBuilder rubi, local");

        Assert.Equal(["local"], result.Output.Select(b => b.ToString()));
        var error = Assert.Single(result.Errors);
        Assert.Equal("BuilderNotFound,NixBuildFarm.Builders.GetNixBuilderCommand", error.FullyQualifiedErrorId);
        Assert.Equal(ErrorCategory.ObjectNotFound, error.CategoryInfo.Category);
        Assert.Equal("rubi", error.TargetObject);
        Assert.Equal("Did you mean ruby?", error.ErrorDetails.RecommendedAction);
        Assert.Null(result.TerminatingError);
    }

    [Fact]
    public void A_bad_entry_is_an_error_with_its_place_and_the_others_are_listed()
    {
        using var machine = new MachineSession("ruby - - many\nkana\n@gone");

        var result = machine.Run("Get-NixBuilder");

        Assert.Equal(["local", "kana"], result.Output.Select(b => b.ToString()));
        var error = Assert.Single(result.Errors);
        Assert.Equal("InvalidMaxJobs,NixBuildFarm.Builders.GetNixBuilderCommand", error.FullyQualifiedErrorId);
        Assert.Equal(ErrorCategory.InvalidData, error.CategoryInfo.Category);
        Assert.StartsWith($"{machine.Machines}:1:10: maxJobs:", error.ToString());
        Assert.NotEmpty(error.ErrorDetails.RecommendedAction);
        Assert.Contains($"{machine.Machines}:3:1: there is no file", Assert.Single(result.Warnings));
    }

    [Fact]
    public void Another_list_is_named_with_Path_as_PowerShell_means_paths()
    {
        using var machine = new MachineSession(Farm);
        var list = machine.WriteFile("other", "pearl");

        Assert.Equal(["local", "pearl"], machine.Names($"Get-NixBuilder -Path {list}"));
        Assert.Equal(
            ["pearl"],
            machine.Names($"$null = $ExecutionContext.SessionState.Path.SetLocation('{Path.GetDirectoryName(list)}'); Get-NixBuilder p* "
                + "-Path ./other"));
    }

    [Fact]
    public void A_list_in_TOML_is_read_and_told_apart_by_its_text()
    {
        using var machine = new MachineSession(Farm);
        var list = machine.WriteFile("lix", "version = 1\n[machines.pearl]\nuri = 'ssh-ng://10.0.0.1'\n[machines.bad]\njobs = 'many'\n");

        var result = machine.Run($"Get-NixBuilder -Path {list}");

        Assert.Equal(["local", "pearl"], result.Output.Select(b => b.ToString()));
        Assert.StartsWith($"{list}:5:8: jobs: a whole number is expected", Assert.Single(result.Errors).ToString());
    }

    [Fact]
    public void A_whole_system_is_named_with_Flake_from_the_session_s_location()
    {
        using var machine = new MachineSession();
        var flake = machine.WriteFile("flake.nix", """
            { outputs = self: { nixosConfigurations.desk.config.nix = { distributedBuilds = true; buildMachines = [ { hostName = "ruby"; system = "x86_64-linux"; } ]; }; }; }
            """);

        Assert.Equal(
            ["local", "ruby"],
            machine.Names($"$null = $ExecutionContext.SessionState.Path.SetLocation('{Path.GetDirectoryName(flake)}'); Get-NixBuilder "
                + "-Flake .#desk"));
        Assert.StartsWith("FlakeNotFound", Assert.Single(machine.Run("Get-NixBuilder -Flake /proc#desk").Errors).FullyQualifiedErrorId);
    }

    [Fact]
    public void A_file_without_builders_is_one_warning()
    {
        using var machine = new MachineSession();
        var module = machine.WriteFile("host.nix", "{ resources, ... }: { }");

        var result = machine.Run($"Get-NixBuilder -NixosModule {module}");

        Assert.Empty(result.Errors);
        Assert.Contains("it describes no builders", Assert.Single(result.Warnings));
    }

    [Fact]
    public void A_NixOS_module_is_named_with_NixosModule_and_completes()
    {
        using var machine = new MachineSession(Farm);
        var module = machine.WriteFile(
            "farm.nix", """{ nix.distributedBuilds = true; nix.buildMachines = [ { hostName = "pearl"; system = "x86_64-linux"; } ]; }""");

        Assert.Equal(["local", "pearl"], machine.Names($"Get-NixBuilder -NixosModule {module}"));
        Assert.Equal(["pearl"], machine.Complete($"Get-NixBuilder -NixosModule {module} -Name p").Select(c => c.CompletionText));
        Assert.StartsWith(
            "AmbiguousParameterSet",
            Assert.Single(machine.Run($"Get-NixBuilder -NixosModule {module} -Path x").Errors).FullyQualifiedErrorId);
    }

    [Theory]
    [InlineData("/gone/machines", "MachineListNotFound")]
    [InlineData("/", "MachineListUnreadable")]
    [InlineData("Env:/PATH", "NotAFile")]
    public void A_list_that_cannot_be_read_ends_the_command(string path, string id)
    {
        using var machine = new MachineSession(Farm);

        var result = machine.Run($"Get-NixBuilder -Path {path}");

        Assert.Equal(
            $"{id},NixBuildFarm.Builders.GetNixBuilderCommand",
            result.TerminatingError?.FullyQualifiedErrorId ?? Assert.Single(result.Errors).FullyQualifiedErrorId);
        Assert.Empty(result.Output);
    }

    [Fact]
    public void Nixs_warnings_about_its_configuration_are_shown_once()
    {
        using var machine = new MachineSession();
        machine.Nix("echo \"error: illegal configuration line 'blah'\" >&2; exit 1");

        var shown = machine.Show("Get-NixBuilder");

        Assert.Equal(2, shown.Split("illegal configuration line 'blah'").Length);
    }

    [Fact]
    public void A_Nix_from_before_config_show_is_asked_its_own_way()
    {
        using var machine = new MachineSession(Farm);
        machine.Nix($$"""
            case "$*" in
              *" show-config --json") exec cat "$(dirname "$0")/../settings.json" ;;
              *) echo "error: 'config' is not a recognised command" >&2; exit 1 ;;
            esac
            """);

        Assert.Equal("local", machine.Names("Get-NixBuilder").First());
    }

    [Fact]
    public async Task A_Nix_that_hangs_holds_no_prompt_and_ends_with_the_command()
    {
        using var machine = new MachineSession();
        var started = machine.WriteFile("started", "");
        machine.Nix($"echo $$ > {started}; exec sleep 1000");
        using var running = machine.Start("Get-NixBuilder");
        await Until.TrueAsync(() => File.ReadAllText(started).EndsWith('\n'), "Nix has started");

        running.Stop();

        Assert.True(running.Wait(RecordingSession.Limit).Stopped);
        var process = int.Parse(await File.ReadAllTextAsync(started, TestContext.Current.CancellationToken));
        await Until.TrueAsync(() => !Directory.Exists($"/proc/{process}"), "Nix ends");
    }

    [Fact]
    public void The_table_shows_a_builder_a_line()
    {
        using var machine = new MachineSession(Farm);

        var lines = machine.Show("Get-NixBuilder").Split('\n');

        Assert.Matches(@"^Name +Systems +MaxJobs +Speed +Enabled +Features +Source", lines[1]);
        Assert.Matches(@"^local +x86_64, i686 +4 +1 +True +kvm +nix\.conf", lines[3]);
        Assert.Matches(@"^aquamarine +x86_64, riscv64 +3 +1\.5 +True +benchmark \(required\).* ….*/machi", lines[4]);
    }

    [Fact]
    public void Names_complete_with_what_they_are()
    {
        using var machine = new MachineSession(Farm);

        Assert.Equal(["ruby", "'ruby:2222'"], machine.Complete("Get-NixBuilder ru").Select(c => c.CompletionText));
        Assert.Equal(["'ruby:2222'"], machine.Complete("Get-NixBuilder 'ruby:").Select(c => c.CompletionText));
        Assert.Equal("ssh://ruby: aarch64; MaxJobs 1, SpeedFactor 1", machine.Complete("Get-NixBuilder ru")[0].ToolTip);
    }

    [Fact]
    public void Names_complete_from_the_list_that_the_line_names()
    {
        using var machine = new MachineSession(Farm);
        var list = machine.WriteFile("other", "pearl");

        Assert.Equal(["pearl"], machine.Complete($"Get-NixBuilder -Path {list} -Name p").Select(c => c.CompletionText));
    }

    [Fact]
    public void Policies_that_cannot_be_read_end_the_command_and_stay_as_they_are()
    {
        using var machine = new MachineSession(Farm);
        Directory.CreateDirectory(Path.GetDirectoryName(machine.PolicyFile)!);
        File.WriteAllText(machine.PolicyFile, "{ broken");

        var result = machine.Run("Get-NixBuilder");

        Assert.Empty(result.Output);
        Assert.StartsWith("PolicyFileCorrupt", (result.TerminatingError ?? Assert.Single(result.Errors)).FullyQualifiedErrorId);
        Assert.Equal("{ broken", File.ReadAllText(machine.PolicyFile));
    }
}
